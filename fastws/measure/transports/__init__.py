"""Server push, transport against transport."""
