//! pgbouncer in transaction mode before a server of the suites' own.

use std::path::PathBuf;
use std::process::Child;

use crate::postgres::{OWNER, RUNTIME, free_port, guarded, heard_ready, owned_folder, put};

/// Runs pgbouncer until the input ends, however the test ends.
const GUARD: &str = r#"
folder=$1 port=$2
trap : INT TERM HUP PIPE
cd "$folder" || exit 1
PATH=$PATH:/usr/sbin:/usr/local/sbin
pgbouncer -q pgbouncer.ini >pgbouncer.out 2>&1 </dev/null &
pooler=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    grep -q "listening on 127.0.0.1:$port" pgbouncer.log 2>/dev/null && break
    sleep 0.1
done
if grep -q "listening on 127.0.0.1:$port" pgbouncer.log; then
    echo ready
    cat >/dev/null
else
    cat pgbouncer.out pgbouncer.log >&2
fi
kill -TERM "$pooler"
wait "$pooler"
cd / && rm -rf "$folder"
"#;

/// A running pgbouncer.
pub struct Pooler {
    guard: Child,
    folder: PathBuf,
    port: u16,
}

impl Pooler {
    /// Starts one before the server at `port`, with at most `connections` to each database.
    ///
    /// # Panics
    /// If pgbouncer is not installed or does not start.
    #[must_use]
    pub fn before(port: u16, connections: u16) -> Self {
        (0..5).find_map(|_| Self::try_start(port, connections)).expect("pgbouncer starts")
    }

    fn try_start(server: u16, connections: u16) -> Option<Self> {
        let folder = owned_folder("medorder-pgbouncer-");
        let port = free_port();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = users.txt\n\
             pool_mode = transaction\ndefault_pool_size = {connections}\nmax_client_conn = 500\n\
             logfile = pgbouncer.log\n"
        );
        put(&folder, "pgbouncer.ini", settings.as_bytes());
        put(&folder, "users.txt", format!("\"{OWNER}\" \"\"\n\"{RUNTIME}\" \"\"\n").as_bytes());
        let mut guard = guarded(GUARD, &[folder.as_os_str(), port.to_string().as_ref()]);
        heard_ready(&mut guard).then_some(Self { guard, folder, port })
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("pgbouncer.log")).unwrap_or_default()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // Its input ends, and the guard cleans up.
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
