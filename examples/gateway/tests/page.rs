//! The files of the page, and the headers around them.

mod support;

use std::fs;

use medorder_gateway::Settings;
use support::{Call, Running};

#[tokio::test]
async fn files_are_kept_by_browsers_and_what_is_missing_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("assets")).expect("a folder");
    fs::write(folder.path().join("index.html"), "<!doctype html>").expect("a file");
    fs::write(folder.path().join("assets/a-1.js"), "1").expect("a file");
    let page = Some(folder.path().to_owned());
    let gateway = Running::start(Settings { page, ..Settings::default() }).await;

    let index = gateway.call(Call::new("GET", "/")).await;
    assert_eq!((index.status, index.header("cache-control")), (200, "no-store"));
    let policy = index.header("content-security-policy");
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    for (name, value) in [("x-frame-options", "DENY"), ("x-content-type-options", "nosniff")] {
        assert_eq!(index.header(name), value);
    }

    let asset = gateway.call(Call::new("GET", "/assets/a-1.js")).await;
    assert_eq!(asset.status, 200);
    assert!(asset.header("cache-control").ends_with("immutable"));
    // While gateways are renewed one by one, an old one does not have the files of the new page yet.
    let missing = gateway.call(Call::new("GET", "/assets/b-2.js")).await;
    assert_eq!((missing.status, missing.header("cache-control")), (404, "no-store"));
    for path in ["/assets/../index.html", "/assets/%2e%2e/%2e%2e/etc/passwd", "/assets/"] {
        assert_eq!(gateway.call(Call::new("GET", path)).await.status, 404, "{path}");
    }
    gateway.stop().await;
}
