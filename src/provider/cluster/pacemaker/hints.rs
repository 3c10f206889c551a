//! When to look at the cluster: each time its members' logs say something. What they say is not read: a line is a reason
//! to look, and the look is what counts. Corosync logs a changed membership at the moment at which it is formed, long
//! before anybody would ask again.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, BufReader},
    sync::Notify,
    time::sleep,
};

use super::members::Members;

/// Prints what the cluster's daemons log from now on, until the input closes.
const FOLLOW: &str = r#"exec 3<&0
journalctl --follow --lines=0 --output=cat --unit=corosync --unit=pacemaker 2>/dev/null & journal=$!
{ cat <&3; kill "$journal"; } >/dev/null 2>&1 &
wait "$journal""#;

/// Time until a member whose log cannot be followed is tried again.
const AGAIN: Duration = Duration::from_secs(5);

impl Members {
    /// Tells of every line in any member's log.
    pub(super) async fn hints(&self, told: &Notify) {
        let follow = |(member, host): (usize, &str)| {
            let host = host.to_owned();
            async move {
                loop {
                    self.follow(member, &host, told).await;
                    sleep(AGAIN).await;
                }
            }
        };
        let _never: Vec<()> = join_all(self.hosts().enumerate().map(follow)).await;
    }

    /// Until the log ends: the member is gone, or has no journal that we may read. Then the polls have to do.
    async fn follow(&self, member: usize, host: &str, told: &Notify) {
        let Ok(log) = self.access().follow(host, &["sh", "-c", FOLLOW]).await else { return };
        let (mut log, mut some) = (BufReader::new(log), [0; 4096]);
        while let Ok(1..) = log.read(&mut some).await {
            // Who has news is there, and knows best.
            self.prefer(member);
            told.notify_one();
        }
    }
}
