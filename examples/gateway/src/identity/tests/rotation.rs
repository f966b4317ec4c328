//! Sets that change while tokens are checked, from a key server that counts its requests.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

use super::*;

#[derive(Clone)]
enum Answer {
    Set(String),
    Late(Duration, String),
    Fails,
    Elsewhere(String),
}

/// A key server on the loopback.
struct Server {
    url: String,
    requests: AtomicUsize,
    answer: Mutex<Answer>,
}

impl Server {
    async fn start(answer: Answer) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        let server = Arc::new(Self { url, requests: AtomicUsize::new(0), answer: Mutex::new(answer) });
        let shared = Arc::clone(&server);
        let router = Router::new().fallback(move || Arc::clone(&shared).respond());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    async fn open(&self, clock: &Arc<Hand>) -> Result<Arc<Identity>, String> {
        let clock = Arc::clone(clock) as Arc<dyn Clock>;
        Identity::with_clock(Keys::SetUrl(self.url.clone()), rules(), clock).await.map(Arc::new)
    }

    async fn respond(self: Arc<Self>) -> Response {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let answer = self.answer.lock().unwrap().clone();
        match answer {
            Answer::Set(set) => set.into_response(),
            Answer::Late(time, set) => {
                tokio::time::sleep(time).await;
                set.into_response()
            }
            Answer::Fails => StatusCode::BAD_GATEWAY.into_response(),
            Answer::Elsewhere(url) => (StatusCode::FOUND, [(header::LOCATION, url)]).into_response(),
        }
    }
}

fn set_of(pairs: &[Pair]) -> String {
    set(&pairs.iter().map(Pair::jwk).collect::<Vec<_>>())
}

/// Waits for what happens in the background.
async fn eventually(what: impl AsyncFn() -> bool) {
    for _ in 0..500 {
        if what().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_is_fetched_once_for_all_who_wait() {
    let server = Server::start(Answer::Set(set_of(&[Pair::ed_a()]))).await;
    let identity = server.open(&Hand::new()).await.unwrap();
    server.answers(Answer::Late(Duration::from_millis(200), set_of(&[Pair::ed_b()])));
    let token = Pair::ed_b().token(&claims());
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let (identity, token) = (Arc::clone(&identity), token.clone());
            tokio::spawn(async move { identity.actor(&token).await.is_ok() })
        })
        .collect();
    for caller in callers {
        assert!(caller.await.unwrap());
    }
    assert_eq!(server.requests(), 2);
    // What is no longer in the set is no longer trusted.
    refused(&identity, &Pair::ed_a().token(&claims()), Refusal::KeyUnknown).await;
    assert_eq!(server.requests(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_unknown_keys_reaches_the_server_once() {
    let server = Server::start(Answer::Set(set_of(&[Pair::ed_a()]))).await;
    let clock = Hand::new();
    let identity = server.open(&clock).await.unwrap();
    for fails in [false, true] {
        if fails {
            server.answers(Answer::Fails);
            clock.pass(30);
        }
        let before = server.requests();
        let callers: Vec<_> = (0..200)
            .map(|n| {
                let identity = Arc::clone(&identity);
                let header = json!({"alg": "EdDSA", "kid": format!("x{n}")}).to_string();
                let token = Pair::ed_b().raw(&header, "{}");
                tokio::spawn(async move { refused(&identity, &token, Refusal::KeyUnknown).await })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
        clock.pass(29);
        refused(&identity, &Pair::ed_b().token(&claims()), Refusal::KeyUnknown).await;
        assert_eq!(server.requests(), before + 1);
        clock.pass(1);
        refused(&identity, &Pair::ed_b().token(&claims()), Refusal::KeyUnknown).await;
        assert_eq!(server.requests(), before + 2);
    }
    // Only a name that is not known asks the server.
    clock.pass(60);
    let before = server.requests();
    accepted(&identity, &Pair::ed_a().token(&claims())).await;
    refused(&identity, &Pair::ed_b().raw(r#"{"alg":"EdDSA","kid":"ed-a"}"#, "{}"), Refusal::Signature).await;
    refused(&identity, &Pair::ed_a().raw(r#"{"alg":"RS256","kid":"ed-a"}"#, "{}"), Refusal::Algorithm).await;
    assert_eq!(server.requests(), before);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_end_the_attempt() {
    let server = Server::start(Answer::Set(set_of(&[Pair::ed_a()]))).await;
    let identity = server.open(&Hand::new()).await.unwrap();
    server.answers(Answer::Late(Duration::from_millis(200), set_of(&[Pair::ed_b()])));
    let token = Pair::ed_b().token(&claims());
    let call = tokio::time::timeout(Duration::from_millis(50), identity.actor(&token)).await;
    assert!(call.is_err());
    accepted(&identity, &token).await;
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn an_old_set_is_renewed_in_the_background() {
    let server = Server::start(Answer::Set(set_of(&[Pair::ed_a(), Pair::ed_b()]))).await;
    let clock = Hand::new();
    let identity = server.open(&clock).await.unwrap();
    let far = json!({"exp": NOW + 864_000});
    let (a, b) = (Pair::ed_a().token(&claims_with(far.clone())), Pair::ed_b().token(&claims_with(far)));
    clock.pass(599);
    accepted(&identity, &b).await;
    assert_eq!(server.requests(), 1);
    server.answers(Answer::Set(set_of(&[Pair::ed_a()])));
    clock.pass(1);
    accepted(&identity, &b).await;
    eventually(async || identity.actor(&b).await.is_err()).await;
    refused(&identity, &b, Refusal::KeyUnknown).await;
    accepted(&identity, &a).await;
    // One for the age. The new set does not hold `b`, but the next attempt is not due.
    assert_eq!(server.requests(), 2);
    // After a quiet time nobody is let in by the old set.
    server.answers(Answer::Set(set_of(&[Pair::ed_b()])));
    clock.pass(900);
    refused(&identity, &a, Refusal::KeyUnknown).await;
    assert_eq!(server.requests(), 3);
    // Nor after the clock was set back.
    server.answers(Answer::Set(set_of(&[Pair::ed_a()])));
    clock.pass(-5_000);
    refused(&identity, &b, Refusal::KeyUnknown).await;
}

#[tokio::test]
async fn the_old_keys_go_on_while_the_server_is_away() {
    let server = Server::start(Answer::Set(set_of(&[Pair::ed_a()]))).await;
    let clock = Hand::new();
    let identity = server.open(&clock).await.unwrap();
    let token = Pair::ed_a().token(&claims_with(json!({"exp": NOW + 864_000})));
    for answer in [Answer::Fails, Answer::Set("no set".to_owned()), Answer::Elsewhere(server.url.clone())] {
        server.answers(answer);
        clock.pass(1_000);
        let before = server.requests();
        accepted(&identity, &token).await;
        eventually(async || server.requests() > before).await;
        for _ in 0..20 {
            accepted(&identity, &token).await;
        }
        assert_eq!(server.requests(), before + 1);
    }
    clock.pass(86_400 - 3_000 - 1);
    accepted(&identity, &token).await;
    clock.pass(31);
    let error = identity.actor(&token).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::KeyUnavailable);
    // A token without a form is not the server's fault.
    refused(&identity, "x", Refusal::Form).await;
    server.answers(Answer::Set(set_of(&[Pair::ed_a()])));
    clock.pass(30);
    accepted(&identity, &token).await;
}

#[tokio::test]
async fn nobody_waits_for_a_server_that_is_away() {
    let server = Server::start(Answer::Set(set_of(&[Pair::ed_a()]))).await;
    let clock = Hand::new();
    let identity = server.open(&clock).await.unwrap();
    let token = Pair::ed_a().token(&claims_with(json!({"exp": NOW + 864_000})));
    server.answers(Answer::Fails);
    clock.pass(1_000);
    accepted(&identity, &token).await;
    assert_eq!(server.requests(), 2);
    server.answers(Answer::Late(Duration::from_secs(60), String::new()));
    clock.pass(30);
    tokio::time::timeout(Duration::from_secs(1), accepted(&identity, &token)).await.unwrap();
}

#[tokio::test]
async fn a_set_that_changes_for_the_worse_is_taken_at_its_word() {
    let server = Server::start(Answer::Set(set_of(&[Pair::ed_a(), Pair::ed_b()]))).await;
    let clock = Hand::new();
    let identity = server.open(&clock).await.unwrap();
    let far = json!({"exp": NOW + 864_000});
    let (a, b) = (Pair::ed_a().token(&claims_with(far.clone())), Pair::ed_b().token(&claims_with(far)));
    server.answers(Answer::Set(set(&[Pair::ed_a().jwk_with(json!({"d": "AA"})), Pair::ed_b().jwk()])));
    clock.pass(900);
    refused(&identity, &a, Refusal::KeyUnknown).await;
    accepted(&identity, &b).await;
    server.answers(Answer::Set(set(&[])));
    clock.pass(900);
    refused(&identity, &b, Refusal::KeyUnknown).await;
}

#[tokio::test]
async fn a_file_is_read_anew_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    std::fs::write(&path, set_of(&[Pair::ed_a()])).unwrap();
    let identity = Identity::with_clock(Keys::SetFile(path.clone()), rules(), Hand::new()).await.unwrap();
    std::fs::write(&path, set_of(&[Pair::ed_b()])).unwrap();
    accepted(&identity, &Pair::ed_b().token(&claims())).await;
}

#[tokio::test]
async fn a_server_that_does_not_give_a_set_does_not_open() {
    let good = Server::start(Answer::Set(set_of(&[Pair::ed_a()]))).await;
    let large = format!("{}{}", set_of(&[Pair::ed_a()]), " ".repeat(256 << 10));
    let answers = [
        (Answer::Fails, "502"),
        (Answer::Elsewhere(good.url.clone()), "302"),
        (Answer::Set(large), "limit"),
        (Answer::Set("[]".to_owned()), "is not a JWK set"),
        (Answer::Late(Duration::from_secs(60), set_of(&[Pair::ed_a()])), "timeout"),
    ];
    for (answer, why) in answers {
        let server = Server::start(answer).await;
        let error = server.open(&Hand::new()).await.err().unwrap();
        assert!(error.contains(why) && error.contains(&server.url), "{error} is not {why}");
    }
    assert_eq!(good.requests(), 0);
}
