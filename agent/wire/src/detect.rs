//! Host, method and path of a request → whose, which format, what is asked. Knows no body.

use crate::catalogue;
use crate::endpoint::{Dialect, Endpoint, Operation};

/// `None`: the host is no provider's.
pub fn detect(host: &str, _method: &str, _path_and_query: &str) -> Option<Endpoint> {
    let provider = catalogue::provider_of(host)?;
    Some(Endpoint {
        provider,
        dialect: Dialect::Other,
        operation: Operation::Other,
    })
}
