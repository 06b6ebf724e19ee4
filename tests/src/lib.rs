//! The rig: hosts made of network namespaces, a DNS server, and providers that answer as told.
//! Knows no part of the agent except its command line and the names of its record fields.
//!
//! ```no_run
//! use weir_tests::{Provider, Rig, canned};
//! # fn main() -> anyhow::Result<()> {
//! let rig = Rig::start()?;
//! rig.serve(Provider::named("api.openai.com").behaves(canned::openai))?;
//! let host = rig.workload()?;
//! let output = host.command("curl").args(["-s", "https://api.openai.com/v1/models"]).output()?;
//! assert!(output.status.success());
//! # Ok(()) }
//! ```

pub mod answer;
pub mod canned;
pub mod client;
pub mod coding;
pub mod corpus;
pub mod provider;
pub mod received;
pub mod rig;
pub mod weir;

pub use answer::{Answer, Begin, Behaviour, Ending, Framing, Step};
pub use provider::{Manners, Provider, RAW_MARK};
pub use received::{Head, Http, Received};
pub use rig::{Rig, Workload};
pub use weir::{Agent, Records, Run, Weir};
