//! The journal's file: how it is made, opened, recognised, and read where it cannot be written.
//!
//! SQLite's locks are POSIX record locks, and those of a whole process on a file go when *any* descriptor of it is
//! closed. So nothing here opens an existing journal but SQLite itself.

use std::{
    fs::{DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, MAIN_DB, OpenFlags, Transaction, TransactionBehavior};

use super::{fault::Fault, sql};

/// Longest wait for another process that writes. An append takes well under a millisecond on a local disk, and the
/// shortest useful lease is several times this.
pub(super) const BUSY: Duration = Duration::from_secs(2);

/// "Tide": tells a journal from other programs' SQLite files.
const APPLICATION_ID: i64 = 0x5469_6465;

/// The schema that this program reads and writes.
const SCHEMA_VERSION: i64 = 3;

/// Opens in this process one at a time: see above, a file must not be closed after making while SQLite has it open.
static OPENING: Mutex<()> = Mutex::new(());

/// Which file a path led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let meta = path.metadata()?;
        Ok(Self { device: meta.dev(), inode: meta.ino() })
    }
}

/// Opens the journal for writing, making it and its directories where they are missing.
pub(super) fn open_writer(path: &Path) -> Result<Connection, Fault> {
    let _one = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    make(path)?;
    let deadline = Instant::now() + BUSY;
    loop {
        match connect_writer(path) {
            // Two processes that turn a new file into a WAL database at once: SQLite lets one fail at once,
            // without waiting, because waiting could last forever.
            #[expect(clippy::disallowed_methods, reason = "the writer's own thread, outside the runtime")]
            Err(fault) if fault.is_busy() && Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
            result => return result,
        }
    }
}

fn make(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o750).create(parent)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o640).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

fn connect_writer(path: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    if db.is_readonly(MAIN_DB)? {
        return Err(io::Error::from(io::ErrorKind::PermissionDenied).into());
    }
    // Looked at before anything is changed: somebody else's database stays as it is.
    let version = recognise(&db.transaction()?)?;
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(Fault::Bad(format!("its file system does not allow write-ahead logging (got mode {mode})")));
    }
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    if version < SCHEMA_VERSION {
        found(&mut db)?;
    }
    Ok(db)
}

/// The schema's version, 0 for an empty file; an error for a file that is not ours or not for us. To be asked within
/// a transaction: another process may be laying out the tables.
fn recognise(db: &Transaction<'_>) -> Result<i64, Fault> {
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let empty: bool = db.query_row(sql::IS_EMPTY, [], |row| row.get(0))?;
    match (application, version) {
        (0, 0) if empty => Ok(0),
        (APPLICATION_ID, 1..=SCHEMA_VERSION) => Ok(version),
        (APPLICATION_ID, _) => Err(Fault::Bad(format!(
            "it was written by another version of tidegate (schema {version}, this one knows {SCHEMA_VERSION}); \
             use that version, or another file"
        ))),
        _ => Err(Fault::Bad("it is a database of another program".to_owned())),
    }
}

/// Lays the tables out, or those that are missing, unless another process did so in between.
fn found(db: &mut Connection) -> Result<(), Fault> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = recognise(&tx)?;
    if version < 1 {
        tx.execute_batch(sql::SCHEMA)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    if version < 2 {
        tx.execute_batch(sql::NOTES_SCHEMA)?;
    }
    if version < 3 {
        tx.execute_batch(sql::PLAYS_SCHEMA)?;
    }
    tx.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    Ok(tx.commit()?)
}

/// Opens the journal for one look, where it cannot be written.
///
/// SQLite reads a WAL database only with its shared-memory file, which it cannot make here. Where nobody has the
/// journal open for writing there is no log either, and the file itself is all there is: it is read as it lies. The
/// connection is for one question only, because a writer may come at any time.
pub(super) fn open_reader(path: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let shared = Connection::open_with_flags(path, flags).map_err(Fault::from).and_then(recognised);
    match shared {
        Err(Fault::Sql(_)) if path.exists() && log_is_empty(path) => {
            recognised(Connection::open_with_flags(immutable_uri(path)?, flags | OpenFlags::SQLITE_OPEN_URI)?)
        }
        shared => shared,
    }
}

fn recognised(db: Connection) -> Result<Connection, Fault> {
    db.busy_timeout(BUSY)?;
    let version = recognise(&db.unchecked_transaction()?)?;
    match version {
        0 => Err(Fault::Bad("it is empty".to_owned())),
        _ => Ok(db),
    }
}

fn log_is_empty(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    match PathBuf::from(log).metadata() {
        Ok(meta) => meta.len() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// The path as SQLite reads it in a URI: `%`, `?` and `#` would end it.
fn immutable_uri(path: &Path) -> Result<String, Fault> {
    let path = path.canonicalize()?;
    let text = path.to_str().ok_or_else(|| Fault::Bad("its path is not UTF-8".to_owned()))?;
    let escaped = text.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    Ok(format!("file:{escaped}?mode=ro&immutable=1"))
}
