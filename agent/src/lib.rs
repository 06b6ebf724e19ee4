
pub mod authority;
pub mod names;
