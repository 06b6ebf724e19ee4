
pub mod capture;
pub mod authority;
pub mod names;
pub mod config;
pub mod identity;
