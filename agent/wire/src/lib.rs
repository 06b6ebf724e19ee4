//! Dialects and framings: bytes in, facts out. Knows no socket, no clock, no file.

mod answer;
mod call;
pub mod catalogue;
mod detect;
mod endpoint;
mod request;
mod response;
mod usage;

pub use answer::{Answer, ErrorClass, ProviderError, ToolCall};
pub use call::{Call, Unread};
pub use detect::detect;
pub use endpoint::{Dialect, Endpoint, Operation, Provider};
pub use request::RequestObserver;
pub use response::ResponseObserver;
pub use usage::{Stated, Usage, UsageSource};
