//! How many probes may be in the air: each has a file descriptor, and where those run out, healthy targets would look
//! unreachable for a reason that is this program's own.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Probes in the air at most, however much room there is.
const MOST: usize = 2048;
/// File descriptors that everything else in this program may need.
const OTHERS: u64 = 256;

/// Room for so many probes. The limit of file descriptors is raised as far as this process may, which usually is far.
pub(super) fn flights() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let enough = MOST as u64 + OTHERS;
    let Some(now) = current.filter(|now| *now < enough) else { return MOST };
    let wanted = maximum.map_or(enough, |most| most.min(enough));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok();
    room(if raised { wanted } else { now })
}

fn room(files: u64) -> usize {
    usize::try_from(files.saturating_sub(OTHERS)).unwrap_or(MOST).clamp(64, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_keep_their_files() {
        assert_eq!([room(20_000), room(1024), room(300), room(0)], [MOST, 768, 64, 64]);
        assert!(flights() > 64);
    }
}
