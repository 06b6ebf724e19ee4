//! How many files this process may have open: two sockets a connection, and the usual soft limit is 1,024.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use tracing::warn;

/// The limits as they were, for a child that did not ask for other ones.
#[derive(Clone, Copy)]
pub(crate) struct Before {
    limits: Option<(rlim_t, rlim_t)>,
}

/// Raises the soft limit to the hard one.
pub(crate) fn raise() -> Before {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        Ok((soft, hard))
    });
    match raised {
        Ok(limits) => Before { limits: Some(limits) },
        Err(problem) => {
            warn!(%problem, "the limit of open files could not be raised");
            Before { limits: None }
        }
    }
}

impl Before {
    /// One system call: may be made between fork and exec.
    pub(crate) fn restore(self) -> nix::Result<()> {
        match self.limits {
            Some((soft, hard)) => setrlimit(Resource::RLIMIT_NOFILE, soft, hard),
            None => Ok(()),
        }
    }
}
