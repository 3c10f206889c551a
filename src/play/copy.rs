//! A file of this machine on a node: written beside the old one, synced, given its mode, and put in its place at once. What is
//! there already is left alone.

use std::{path::Path, time::Duration};

use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use super::{Machines, Stepped, Trouble, machines};
use crate::model::NodeName;

/// Bytes of a file; a larger one is no configuration file, and has better ways.
pub const MAX_BYTES: u64 = 64 << 20;

/// Its name beside the old one, and its place; the arguments are the mode, the temporary name and the place.
const PUT: &str = r#"set -eu
umask 077
cat > "$2"
chmod "$1" "$2"
if [ -e "$3" ]; then chown --reference="$3" "$2"; fi
sync "$2"
mv -f "$2" "$3""#;

/// Copies it; says whether there was anything to do.
pub(super) async fn copy(
    machines: &Machines,
    node: &NodeName,
    from: &Path,
    to: &str,
    mode: u32,
    timeout: Duration,
) -> Stepped {
    let content = read(from).await?;
    let wanted: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    if sum(machines, node, to).await?.as_deref() == Some(wanted.as_str()) {
        return Ok(Some(format!("{to} is as it should be")));
    }
    let (mode, beside) = (format!("{mode:o}"), format!("{to}.tidegate-new"));
    let argv = ["sh", "-c", PUT, "sh", mode.as_str(), beside.as_str(), to];
    let host = machines.host(node)?;
    let output = machines.access.feed(host, &argv, &content, timeout).await;
    let output = output.map_err(|error| Trouble::failed(format!("{node}: {to}: {error}")))?;
    if output.code != Some(0) {
        let why = format!("{node}: {to}: {}: {}", machines::code(output.code), machines::tail(&output.stderr, 400));
        return Err(Trouble::Failed(why));
    }
    // Read back: what arrived is what was sent.
    match sum(machines, node, to).await? {
        Some(found) if found == wanted => Ok(Some(format!("{to}: {} bytes, SHA-256 {}", content.len(), &wanted[..12]))),
        found => Err(Trouble::failed(format!("{node}: {to} is something else than was sent: {found:?}"))),
    }
}

async fn read(from: &Path) -> Result<Vec<u8>, Trouble> {
    let unread = |why: &dyn std::fmt::Display| Trouble::failed(format!("{}: {why}", from.display()));
    let file = tokio::fs::File::open(from).await.map_err(|e| unread(&e))?;
    let mut content = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut content).await.map_err(|e| unread(&e))?;
    if content.len() as u64 > MAX_BYTES {
        return Err(unread(&format!("it has more than {MAX_BYTES} bytes")));
    }
    Ok(content)
}

/// The SHA-256 of a file there; none where it is not.
async fn sum(machines: &Machines, node: &NodeName, path: &str) -> Result<Option<String>, Trouble> {
    if machines.ask(node, &["test", "-e", path]).await?.code != Some(0) {
        return Ok(None);
    }
    let said = machines.told(node, &["sha256sum", "--", path]).await?;
    Ok(said.split_whitespace().next().map(|sum| sum.trim_start_matches('\\').to_owned()))
}
