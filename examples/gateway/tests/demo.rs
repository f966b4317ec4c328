//! The demo and the program around it: who may sign in, and what stays behind.

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use medorder_gateway::Settings;
use medorder_gateway::demo::SignIn;
use serde_json::json;
use support::{Call, Running, SECRET};

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_medorder-gateway"));
    command.env("TMPDIR", folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn interrupt(child: &Child) {
    let told = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(told.expect("kill is there").success());
}

#[tokio::test]
async fn a_sign_in_is_for_whoever_names_this_machine() {
    let demo = SignIn::new(SECRET.to_vec(), 5, vec!["north".parse().expect("a territory")]);
    let gateway = Running::start(Settings { demo: Some(demo), ..Settings::default() }).await;
    let sign_in = |host: &'static str| {
        Call::new("POST", "/demo/sign-in").header("host", host).json(&json!({"role": "verifier"}))
    };
    for host in ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080"] {
        let signed = gateway.call(sign_in(host)).await.data();
        let token = support::text(&signed["token"]).to_owned();
        assert_eq!(gateway.call(Call::new("GET", "/api/v1/session").bearer(&token)).await.status, 200);
    }
    // A page elsewhere whose name has been made to lead here.
    for host in ["ward.example", "localhost.ward.example:8080", "10.0.0.1:8080", ""] {
        assert_eq!(gateway.call(sign_in(host)).await.status, 421, "{host}");
        assert_eq!(gateway.call(Call::new("GET", "/demo").header("host", host)).await.status, 421, "{host}");
    }
    gateway.stop().await;
}

#[test]
fn a_demo_that_is_interrupted_leaves_nothing_behind() {
    for is_ready in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut demo = program(folder.path())
            .args(["demo", "--listen", "127.0.0.1:0"])
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(demo.stdout.take().expect("its output")).lines().map_while(Result::ok);
        if is_ready {
            assert!(lines.any(|line| line.starts_with("open ")));
        } else {
            let since = Instant::now();
            while !is_filling(folder.path()) {
                assert!(since.elapsed() < Duration::from_secs(30), "the demo makes its database");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        interrupt(&demo);
        let left = || std::fs::read_dir(folder.path()).expect("the folder").count();
        assert!(demo.wait().expect("an end").success(), "ready: {is_ready}");
        assert_eq!(left(), 0, "ready: {is_ready}");
    }
}

/// Whether a demo below `folder` has a database.
fn is_filling(folder: &Path) -> bool {
    let mut entries = std::fs::read_dir(folder).expect("the folder").flatten();
    entries.any(|entry| entry.path().join("orders.db").exists())
}

#[test]
fn a_demo_is_for_this_machine_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = program(folder.path()).args(["demo", "--listen", "0.0.0.0:0"]).output().expect("an end");
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("loopback"));
}

#[test]
fn serve_makes_no_database_where_there_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("root.key");
    medorder::generate_key_file(&key).expect("a key");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, SECRET).expect("a secret");
    let database = folder.path().join("mistyped.db");
    let mut serve = program(folder.path())
        .args(["serve", "--listen", "127.0.0.1:0", "--database"])
        .arg(&database)
        .arg("--key-file")
        .arg(&key)
        .arg("--secret-file")
        .arg(&secret)
        .spawn()
        .expect("the program starts");
    let since = Instant::now();
    while serve.try_wait().expect("a status").is_none() && since.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let status = serve.try_wait().expect("a status");
    let _ = serve.kill();
    let _ = serve.wait();
    assert!(status.is_some_and(|status| !status.success()), "it ends by itself");
    assert!(!database.exists());
}
