//! Dialects and framings: bytes in, facts out. Knows no socket, no clock, no file.
