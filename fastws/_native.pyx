# cython: language_level=3
# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""The codec in C: the same names, results and errors as the package ``_pure``, where the docstrings stand in full.

This file does three things: buffers in, calls to csrc, values or exceptions out. While a decoder's loop runs, no
Python code does: faults travel as numbers, and the exception is made when the state is complete. So a decoder that
two threads use by mistake gives nonsense, but never crashes.
"""

import os

cimport cython
from cpython.buffer cimport PyBUF_FULL_RO, PyBuffer_IsContiguous, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport (
    PyByteArray_AS_STRING,
    PyByteArray_CheckExact,
    PyByteArray_FromStringAndSize,
    PyByteArray_GET_SIZE,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.memoryview cimport PyMemoryView_Check
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_SET_ITEM
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, memset

from ._csrc cimport *

from .errors import Fault, protocol_error
from .frames import (
    DEFAULT_MAX_FRAGMENTS,
    MAX_CLOSE_REASON,
    MAX_CONTROL_PAYLOAD,
    MAX_PAYLOAD,
    Opcode,
    Role,
    is_sendable_close_code,
)


cdef extern from "Python.h":
    object PyType_GenericAlloc(PyTypeObject *type, Py_ssize_t n)
    object PyUnicode_New(Py_ssize_t n, Py_UCS4 highest)
    PyObject *new_unicode "PyUnicode_New"(Py_ssize_t n, Py_UCS4 highest) except NULL
    int PyUnicode_Resize(PyObject **text, Py_ssize_t n) except -1
    void Py_DECREF(PyObject *thing)
    void *PyUnicode_DATA(object text)
    int PyUnicode_KIND(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    bint PyUnicode_IS_ASCII(object text)
    bint PyUnicode_CheckExact(object text)
    PyObject *PyMemoryView_GET_BASE(object view)
    bint PyLong_CheckExact(object number)
    Py_ssize_t PyNumber_AsSsize_t(object number, void *error) except? -1

cdef extern from *:
    """
    /* Strings are always ready from CPython 3.12 on, where the old call is deprecated. */
    #if PY_VERSION_HEX >= 0x030C0000
    #define fastws_ready(text) 0
    #else
    #define fastws_ready(text) PyUnicode_READY(text)
    #endif
    """
    int fastws_ready(object text) except -1


cdef enum:
    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA

    FIN = 0x80
    RSV1 = 0x40
    RSV2 = 0x20
    RSV3 = 0x10
    OPCODE = 0x0F
    CONTROL = 0x08

    MASKED = 0x80
    NO_STATUS = 1005

cdef uint64_t LIMIT = MAX_PAYLOAD
cdef object CLIENT = Role.CLIENT
cdef object SERVER = Role.SERVER
cdef str AS_BYTES = "bytes"
cdef str AS_BYTEARRAY = "bytearray"

# Opcode by number, None where it is reserved.
cdef tuple OPCODES = tuple([Opcode(value) if value in set(map(int, Opcode)) else None for value in range(16)])

# The faults that this file finds by itself; csrc/header.c reports the others by the same numbers.
cdef int FRAME_UNMASKED = Fault.FRAME_UNMASKED
cdef int FRAME_MASKED = Fault.FRAME_MASKED
cdef int FRAME_TOO_BIG = Fault.FRAME_TOO_BIG
cdef int MESSAGE_TOO_BIG = Fault.MESSAGE_TOO_BIG
cdef int TOO_MANY_FRAGMENTS = Fault.TOO_MANY_FRAGMENTS
cdef int CLOSE_TOO_SHORT = Fault.CLOSE_TOO_SHORT
cdef int CLOSE_CODE = Fault.CLOSE_CODE
cdef int CLOSE_REASON = Fault.CLOSE_REASON
cdef int CLOSE_REASON_TRUNCATED = Fault.CLOSE_REASON_TRUNCATED
cdef int BAD_TEXT = Fault.TEXT
cdef int TEXT_TRUNCATED = Fault.TEXT_TRUNCATED

# The stages, one after the other, as in the package _pure.
include "native/buffers.pxi"
include "native/values.pxi"
include "native/header.pxi"
include "native/mask.pxi"
include "native/utf8.pxi"
include "native/frame.pxi"
include "native/decoder.pxi"
include "native/assembler.pxi"
include "native/encoder.pxi"


# Kernels --------------------------------------------------------------------------------------------------------------


def kernel_name():
    """The CPU kernel in use."""
    return fws_kernel_name().decode()


def available_kernels():
    """The CPU kernels that this machine can run, weakest first."""
    names = []
    while fws_available_kernel(len(names)) != NULL:
        names.append(fws_available_kernel(len(names)).decode())
    return tuple(names)


def _select_kernel(name, /):
    """Switch to another kernel, for tests and benches: nothing else may run meanwhile. Returns the one before."""
    before = kernel_name()
    if not fws_select_kernel(name.encode()):
        raise ValueError(f"kernel {name!r} is not one of: {', '.join(available_kernels())}")
    return before


# Chosen here, once, before any thread can ask. A wrong name is not an ImportError, which would pass for "not built".
fws_select_kernel(NULL)
cdef str forced = os.environ.get("FASTWS_KERNEL", "")
if forced and not fws_select_kernel(forced.encode()):
    raise ValueError(f"FASTWS_KERNEL={forced!r} is not one of: {', '.join(available_kernels())}")
