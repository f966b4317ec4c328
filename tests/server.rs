//! What a server and a role must be like to be opened, and that nothing is said in plain to one that only looks
//! like ours.

use std::io::{Read, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use medorder::audit::{Entry, EntryDraft, Head};
use medorder::storage::postgres::{self, PostgresInit, PostgresOptions, PostgresStorage};
use medorder::storage::{Initial, KeyRow, Linker, Outcome, Storage, Unit, Write};
use medorder::{Chain, Error, ErrorCode, OrderService, Result, TerritoryId, TestKey};
use medorder_tests::id;
use medorder_tests::postgres::{Database, OWNER, RUNTIME, Server, Setup};

fn initial(n: u8) -> Initial {
    let key = |purpose: &str| KeyRow {
        purpose: purpose.to_owned(),
        territory: String::new(),
        version: 1,
        blob: vec![n; 40],
    };
    Initial { generation: [n; 16], keys: ["audit", "check", "checkpoint"].map(key).to_vec() }
}

async fn made(server: &Server, settings: &PostgresInit) -> Database {
    let database = server.database();
    postgres::init(&database.url(OWNER), settings, &initial(1)).await.expect("the schema is made");
    database
}

async fn opened(url: &str) -> Result<PostgresStorage> {
    PostgresStorage::connect(url, PostgresOptions::default()).await
}

async fn refused(url: &str) -> Error {
    opened(url).await.err().unwrap_or_else(|| panic!("{url} opens"))
}

/// A certificate for `localhost` and the authority that signed it, made anew.
struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("names"), "subjectAltName = DNS:localhost\n").expect("a file");
        let key = "ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        for line in [
            format!("req -x509 -newkey {key} -keyout ca.key -out ca.crt -subj /CN=authority -days 2"),
            format!("req -newkey {key} -keyout server.key -out server.csr -subj /CN=localhost"),
            "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile names -out server.crt \
             -days 2"
                .to_owned(),
        ] {
            let output = Command::new("openssl")
                .args(line.split_whitespace())
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .output()
                .expect("openssl is installed; `cargo xtask test` installs it");
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Self { folder }
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join(name)).expect("openssl made it")
    }

    fn root(&self) -> String {
        self.folder.path().join("ca.crt").display().to_string()
    }
}

#[tokio::test]
async fn without_sslmode_certificate_and_name_are_checked() {
    let (ours, other) = (Authority::new(), Authority::new());
    let setup = Setup::new()
        .setting("ssl = on")
        .setting("ssl_cert_file = '../server.crt'")
        .setting("ssl_key_file = '../server.key'")
        .setting("log_connections = on")
        .file("server.crt", ours.read("server.crt"))
        .file("server.key", ours.read("server.key"));
    let server = Server::start(&setup);
    let database = made(&server, &PostgresInit::new(RUNTIME)).await;
    let url = |host: &str, more: &str| {
        format!("postgres://{RUNTIME}@{host}:{}/{}?listen=off{more}", server.port(), database.name)
    };
    let root = |authority: &Authority| format!("&sslrootcert={}", authority.root());
    for (what, url, says) in [
        ("another authority", url("localhost", &root(&other)), "not from an authority that is trusted here"),
        ("no authority that is known", url("localhost", ""), "not from an authority that is trusted here"),
        ("another name", url("127.0.0.1", &root(&ours)), "not for the host of the url"),
        ("no file", url("localhost", "&sslrootcert=/nowhere.crt"), "a file or socket that the url names"),
    ] {
        let error = refused(&url).await;
        assert_eq!(error.code(), ErrorCode::StorageUnavailable, "{what}");
        assert!(error.to_string().contains(says), "{what}: {error}");
    }
    let signed_in = format!("connection authorized: user={RUNTIME}");
    assert!(!server.log().contains(&signed_in), "who was refused said no name");
    let storage = opened(&url("localhost", &root(&ours))).await.expect("ours opens");
    assert_eq!(storage.meta().await.expect("it reads").generation, [1; 16]);
    let log = server.log();
    let line = log.lines().find(|line| line.contains(&signed_in)).expect("it is logged");
    assert!(line.contains("SSL enabled"), "{line}");
    // Said in the url, the check may be left out: this is what the tests' own urls do.
    assert!(opened(&url("127.0.0.1", "&sslmode=disable")).await.is_ok());
}

/// A server without TLS hears the question for TLS and nothing after its no: no name, no database.
#[tokio::test]
async fn nothing_is_said_in_plain() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let heard = std::thread::spawn(move || {
        let (mut caller, _) = listener.accept().expect("it calls");
        caller.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        let mut first = [0; 8];
        caller.read_exact(&mut first).expect("it asks");
        caller.write_all(b"N").expect("it listens");
        let mut rest = Vec::new();
        let _ = caller.read_to_end(&mut rest);
        (first, rest)
    });
    let error = refused(&format!("postgres://{RUNTIME}:password@localhost:{port}/orders")).await;
    assert_eq!(error.code(), ErrorCode::StorageUnavailable);
    let (first, rest) = heard.join().expect("it ends");
    // SSLRequest: length 8, code 80877103.
    assert_eq!(first, [0, 0, 0, 8, 4, 210, 22, 47]);
    assert_eq!(rest, b"", "nothing follows");
    // A real server that has no TLS.
    let database = made(Server::shared(), &PostgresInit::new(RUNTIME)).await;
    let url = format!("postgres://{RUNTIME}@localhost:{}/{}", database.port, database.name);
    let error = refused(&url).await;
    assert_eq!(error.code(), ErrorCode::StorageUnavailable);
    assert!(error.to_string().contains("offers no TLS"), "{error}");
}

#[tokio::test]
async fn who_cannot_sign_in_is_told_why() {
    let database = made(Server::shared(), &PostgresInit::new(RUNTIME)).await;
    let free =
        TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port();
    let at = |role: &str, place: &str| format!("postgres://{role}@{place}?sslmode=disable");
    let here = format!("127.0.0.1:{}", database.port);
    for (url, code, says) in [
        (
            at(RUNTIME, &format!("127.0.0.1:{free}/orders")),
            ErrorCode::StorageUnavailable,
            "no server listens",
        ),
        (at(RUNTIME, &format!("{here}/nowhere")), ErrorCode::StorageUnavailable, "no such database"),
        (at("nobody", &format!("{here}/{}", database.name)), ErrorCode::StorageUnavailable, "role"),
        (
            at(RUNTIME, "no-such-host.invalid/orders"),
            ErrorCode::StorageUnavailable,
            "host of the url is not known",
        ),
        (format!("{}&retries=3", database.url(RUNTIME)), ErrorCode::ValidationError, "known are sslmode"),
        (format!("postgres://{here}:x/orders"), ErrorCode::ValidationError, "malformed"),
    ] {
        let error = refused(&url).await;
        assert_eq!(error.code(), code, "{url}: {error}");
        assert!(error.to_string().contains(says), "{url}: {error}");
        assert!(!error.to_string().contains(&here), "{error}");
    }
}

#[tokio::test]
async fn an_init_with_another_key_says_so() {
    let database = Server::shared().database();
    let init = async |key: TestKey| {
        let builder = OrderService::builder(database.url(OWNER), key);
        builder.init(&PostgresInit::new(RUNTIME)).await.map_err(|error| error.code())
    };
    assert_eq!(init(TestKey::new()).await, Ok(()));
    assert_eq!(init(TestKey::with_root([9; 32])).await, Err(ErrorCode::KeyMismatch));
    assert_eq!(init(TestKey::new()).await, Ok(()));
}

#[tokio::test]
async fn a_server_that_loses_commits_is_refused() {
    let server = Server::start(&Setup::new().setting("fsync = off"));
    let database = made(&server, &PostgresInit::new(RUNTIME)).await;
    let error = refused(&database.url(RUNTIME)).await;
    assert_eq!(error.code(), ErrorCode::StorageUnavailable);
    assert!(error.to_string().contains("fsync=off"), "{error}");
    let mut options = PostgresOptions::default();
    options.allow_fsync_off = true;
    assert!(PostgresStorage::connect(&database.url(RUNTIME), options).await.is_ok());
}

#[tokio::test]
async fn a_role_that_row_security_does_not_hold_is_refused() {
    let server = Server::shared();
    let database = made(server, &PostgresInit::new(RUNTIME)).await;
    let _ = database.rows("CREATE ROLE bypass LOGIN BYPASSRLS IN ROLE medorder_app");
    for role in [OWNER, "postgres", "bypass"] {
        let error = refused(&database.url(role)).await;
        assert_eq!(error.code(), ErrorCode::StorageUnavailable, "{role}");
        assert!(error.to_string().contains("row-level security"), "{role}: {error}");
    }
    assert!(opened(&database.url(RUNTIME)).await.is_ok());
    // Where the second wall was not asked for, there is none to go round.
    let open = made(server, &PostgresInit::new(RUNTIME).row_security(false)).await;
    assert!(opened(&open.url(OWNER)).await.is_ok());
}

#[tokio::test]
async fn a_role_without_grants_is_told_so() {
    let database = made(Server::shared(), &PostgresInit::new(RUNTIME)).await;
    let _ = database.rows("CREATE ROLE stranger LOGIN");
    let error = refused(&database.url("stranger")).await;
    assert_eq!(error.code(), ErrorCode::StorageUnavailable);
    assert!(error.to_string().contains("no rights in the medorder schema"), "{error}");
}

#[tokio::test]
async fn a_missing_or_foreign_schema_is_unsupported() {
    let database = Server::shared().database();
    assert_eq!(refused(&database.url(RUNTIME)).await.code(), ErrorCode::SchemaUnsupported);
    let _ = database.rows("CREATE SCHEMA medorder; GRANT USAGE ON SCHEMA medorder TO medorder_app");
    assert_eq!(refused(&database.url(RUNTIME)).await.code(), ErrorCode::SchemaUnsupported);
    let newer = made(Server::shared(), &PostgresInit::new(RUNTIME)).await;
    let _ = newer.rows("UPDATE medorder.meta SET format = 2");
    assert_eq!(refused(&newer.url(RUNTIME)).await.code(), ErrorCode::SchemaUnsupported);
    let again = postgres::init(&newer.url(OWNER), &PostgresInit::new(RUNTIME), &initial(2)).await;
    assert_eq!(again.map_err(|error| error.code()), Err(ErrorCode::SchemaUnsupported));
}

#[tokio::test]
async fn a_second_init_leaves_the_first() {
    let database = made(Server::shared(), &PostgresInit::new(RUNTIME)).await;
    postgres::init(&database.url(OWNER), &PostgresInit::new(RUNTIME), &initial(2))
        .await
        .expect("it is there");
    let storage = opened(&database.url(RUNTIME)).await.expect("it opens");
    assert_eq!(storage.meta().await.expect("it reads").generation, [1; 16]);
    assert_eq!(storage.all_keys().await.expect("it reads"), initial(1).keys);
}

#[tokio::test]
async fn an_init_that_asks_for_another_shape_is_refused() {
    let plain = made(Server::shared(), &PostgresInit::new(RUNTIME)).await;
    let parted = made(Server::shared(), &PostgresInit::new(RUNTIME).partitions(4)).await;
    let init = async |database: &Database, settings: PostgresInit| {
        postgres::init(&database.url(OWNER), &settings, &initial(1)).await.map_err(|error| error.code())
    };
    let ask = || PostgresInit::new(RUNTIME);
    for refused in [
        init(&plain, ask().partitions(4)).await,
        init(&plain, ask().row_security(false)).await,
        init(&parted, ask().partitions(8)).await,
    ] {
        assert_eq!(refused, Err(ErrorCode::SchemaUnsupported));
    }
    assert_eq!(init(&parted, ask().partitions(4)).await, Ok(()));
    assert_eq!(init(&parted, ask()).await, Ok(()), "grants for one more role need not say it again");
}

#[tokio::test]
async fn a_pooler_is_no_place_to_listen() {
    let database = made(Server::shared(), &PostgresInit::new(RUNTIME)).await;
    let mut options = PostgresOptions::default();
    options.listen_url = Some(database.url_at(database.port, RUNTIME, "&pooler=transaction"));
    let refused = PostgresStorage::connect(&database.url(RUNTIME), options).await.map(drop);
    assert_eq!(refused.map_err(|error| error.code()), Err(ErrorCode::ValidationError));
}

#[tokio::test]
async fn four_inits_at_once_end_with_one_birth() {
    for partitions in [0, 2] {
        let database = Server::shared().database();
        let settings = PostgresInit::new(RUNTIME).partitions(partitions);
        let started: Vec<_> = (1..=4)
            .map(|n| {
                let (url, settings) = (database.url(OWNER), settings.clone());
                tokio::spawn(async move { postgres::init(&url, &settings, &initial(n)).await })
            })
            .collect();
        for one in started {
            one.await.expect("no panic").expect("the loser finds the winner's");
        }
        let storage = opened(&database.url(RUNTIME)).await.expect("it opens");
        let [winner, ..] = storage.meta().await.expect("it reads").generation;
        assert!((1..=4).contains(&winner));
        assert_eq!(storage.all_keys().await.expect("it reads"), initial(winner).keys);
        assert_eq!(storage.territories().await.expect("it reads").len(), 1);
        assert_eq!(database.cell("SELECT to_regclass('medorder.making') IS NULL"), "t");
    }
}

struct Unlinked;

impl Linker for Unlinked {
    fn link(&self, _: &Chain, _: &Head, _: &[EntryDraft]) -> Result<Vec<Entry>> {
        Ok(Vec::new())
    }
}

/// Each commit says with which `synchronous_commit` it was made.
const WITNESS: &str = "CREATE TABLE public.seen (setting text); \
    CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN \
    INSERT INTO public.seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$; \
    CREATE TRIGGER see AFTER INSERT ON medorder.territories FOR EACH ROW EXECUTE FUNCTION public.see()";

#[tokio::test]
async fn a_role_that_does_not_wait_for_the_disk_is_made_to() {
    let database = made(Server::shared(), &PostgresInit::new(RUNTIME)).await;
    let _ = database.rows(WITNESS);
    let mut made = 0;
    for (default, used) in [("off", "on"), ("local", "on"), ("on", "on"), ("remote_apply", "remote_apply")] {
        for more in ["", "&pooler=transaction"] {
            let _ = database.rows(&format!(
                "ALTER ROLE {RUNTIME} IN DATABASE {} SET synchronous_commit = {default}; TRUNCATE public.seen",
                database.name
            ));
            let asked = database.rows_as(RUNTIME, "SHOW synchronous_commit").expect("a role may ask");
            assert_eq!(asked, [[default]]);
            let storage = opened(&database.url_at(database.port, RUNTIME, more)).await.expect("it opens");
            made += 1;
            let mut unit = Unit::new(id::<TerritoryId>(&format!("t-{made}")).into(), 1);
            unit.writes.push(Write::Territory);
            let outcomes = storage.commit(vec![unit], &Unlinked).await.expect("it commits");
            assert!(matches!(outcomes[..], [Outcome::Done { .. }]), "{outcomes:?}");
            assert_eq!(database.rows("SELECT setting FROM public.seen"), [[used]], "{default} {more}");
        }
    }
}
