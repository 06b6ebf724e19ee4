//! Dialects and framings: bytes in, facts out. Knows no socket, no clock, no file.

mod answer;
mod call;
mod calls;
pub mod catalogue;
mod detect;
mod dialect;
mod endpoint;
mod error;
mod facts;
mod field;
mod finish;
mod frames;
mod json;
mod request;
mod response;
mod retry;
mod short;
mod sse;
mod usage;

pub use answer::{Answer, ErrorClass, FinishClass, Message, ProviderError, ToolCall};
pub use call::{Call, Unread};
pub use detect::{detect, detect_at, model_in_path};
pub use endpoint::{Dialect, Endpoint, Operation, Provider};
pub use request::RequestObserver;
pub use response::ResponseObserver;
pub use usage::{Billed, Stated, Usage, UsageSource};
