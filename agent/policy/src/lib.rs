//! What policy decides. Pure: time is passed in; knows no socket, no clock, no file.

pub mod price;
