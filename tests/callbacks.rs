//! Key providers, directories and anchors of the host: slow ones, broken ones, and ones that call back.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use medorder::{
    AnchorCallback, BatchMode, CallbackKeys, CareDirectory, CreateOrder, Error, ErrorCode, KeyError,
    KeyProvider, OrderFilter, OrderService, OrderStatus, PatientId, ProviderId, Result, TerritoryId, TestKey,
    Verdict,
};
use medorder_tests::raw::RawFile;
use medorder_tests::{World, change, id, request, root};
use tokio::sync::Notify;

/// How a callback behaves now.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Well,
    Refusing,
    Failing,
    Panicking,
    /// Waits until the mood is another one.
    Hanging,
}

/// A callback's mood, and what it was asked.
struct Host {
    mood: Mutex<Mood>,
    changed: Condvar,
    asked: Mutex<HashMap<Vec<u8>, usize>>,
}

impl Host {
    fn new() -> Arc<Self> {
        Arc::new(Self { mood: Mutex::new(Mood::Well), changed: Condvar::new(), asked: Mutex::default() })
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
        self.changed.notify_all();
    }

    /// Behaves; true if the answer should be the true one.
    fn behave(&self, what: &[u8]) -> bool {
        *self.asked.lock().unwrap().entry(what.to_vec()).or_default() += 1;
        let mood =
            *self.changed.wait_while(self.mood.lock().unwrap(), |mood| *mood == Mood::Hanging).unwrap();
        assert!(mood != Mood::Panicking, "the host is in a panic");
        mood == Mood::Well
    }

    fn asked(&self) -> Vec<usize> {
        self.asked.lock().unwrap().values().copied().collect()
    }

    fn forget(&self) {
        self.asked.lock().unwrap().clear();
    }

    /// A provider that holds the test key and behaves like this host.
    fn keys(self: &Arc<Self>) -> CallbackKeys {
        let (wrapping, unwrapping) = (Arc::clone(self), Arc::clone(self));
        CallbackKeys::new(
            move |key, context| {
                if wrapping.behave(context) {
                    TestKey::new().wrap(key, context)
                } else {
                    Err(KeyError::Unavailable)
                }
            },
            move |blob, context| {
                // Long enough that callers who come together also wait together.
                std::thread::sleep(Duration::from_millis(5));
                if unwrapping.behave(&[blob, context].concat()) {
                    TestKey::new().unwrap(blob, context)
                } else {
                    Err(KeyError::Unavailable)
                }
            },
        )
    }
}

/// A directory that behaves like a host.
struct Directory(Arc<Host>);

impl CareDirectory for Directory {
    fn territory_exists(&self, territory: &TerritoryId) -> Result<bool> {
        self.0.answer(territory.as_str())
    }

    fn relationship_exists(&self, patient: &PatientId, _: &ProviderId, _: &TerritoryId) -> Result<bool> {
        self.0.answer(patient.as_str())
    }
}

impl Host {
    fn answer(&self, what: &str) -> Result<bool> {
        let well = self.behave(what.as_bytes());
        match *self.mood.lock().unwrap() {
            Mood::Failing => Err(Error::new(ErrorCode::Internal, "the directory is down")),
            _ => Ok(well),
        }
    }
}

/// A second service on the world's file, through the host's keys.
async fn beside(world: &World, host: &Arc<Host>, ttl: Duration) -> OrderService {
    let service = OrderService::builder(&world.path, host.keys()).key_cache_ttl(ttl).open().await.unwrap();
    host.forget();
    service
}

fn stored(world: &World) -> HashMap<String, u64> {
    RawFile::read(&world.path).heads
}

const LONG: Duration = Duration::from_secs(3_600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_asked_for_once_however_many_wait() {
    let world = World::new().await;
    let host = Host::new();
    let service = beside(&world, &host, LONG).await;
    let together = async |service: &OrderService| {
        let callers = (0..64).map(|_| {
            let session = service.session(root(), id("north"));
            tokio::spawn(async move { session.create_order(request()).await.unwrap() })
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await.unwrap();
        }
    };
    together(&service).await;
    assert_eq!(host.asked(), [1, 1], "the data key and the audit key, once each");
    together(&service).await;
    assert_eq!(host.asked(), [1, 1]);

    // Readers of orders under a retired key share one call for it, too.
    let (half, north) = (Notify::new(), id("north"));
    world.all().create_orders(vec![request(); 1_300], BatchMode::Atomic).await.unwrap();
    let admin = world.service.admin(root());
    tokio::select! {
        biased;
        () = half.notified() => {}
        done = admin.rotate_keys(&north, |_| half.notify_one()) => panic!("not dropped: {done:?}"),
    }
    let page = world.all().orders(&OrderFilter::new(), None, 64, None).await.unwrap();
    let retired: Vec<_> = page.orders.iter().map(|order| order.summary.id).collect();
    let raw = RawFile::read(&world.path);
    assert!(retired.iter().all(|order| raw.orders[order].key == Some(1)), "the newest are wrapped anew last");
    host.forget();
    let readers: Vec<_> = retired
        .iter()
        .map(|order| {
            let (session, order) = (service.session(root(), id("north")), *order);
            tokio::spawn(async move { session.order(order, None).await.unwrap().summary.id })
        })
        .collect();
    for reader in readers {
        reader.await.unwrap();
    }
    // The first key, and those of the new epoch.
    assert_eq!(host.asked(), [1, 1, 1]);
}

#[tokio::test]
async fn a_cached_key_is_asked_for_again_when_its_time_is_over() {
    let world = World::new().await;
    let host = Host::new();
    let service = beside(&world, &host, Duration::from_millis(50)).await;
    let session = service.session(root(), id("north"));
    for times in 1..=3 {
        session.create_order(request()).await.unwrap();
        assert!(host.asked().iter().all(|asked| *asked >= times));
        tokio::time::sleep(Duration::from_millis(80)).await;
    }
    host.set(Mood::Failing);
    assert_eq!(session.create_order(request()).await.unwrap_err().code(), ErrorCode::KeyUnavailable);
}

#[tokio::test]
async fn a_feed_asks_for_its_key_once() {
    let world = World::new().await;
    let host = Host::new();
    let service = beside(&world, &host, LONG).await;
    let mut feed = service.session(root(), id("north")).subscribe(None, None).await.unwrap();
    // Its own act makes the service forget the territory; after that it only listens.
    let admin = service.admin(root());
    admin.register_relationship(&id("north"), &id("p-2"), &id("npi-1")).await.unwrap();
    host.forget();
    for _ in 0..10 {
        world.all().create_order(request()).await.unwrap();
    }
    for _ in 0..10 {
        feed.next().await.unwrap();
    }
    assert!(host.asked().iter().all(|times| *times == 1), "{:?}", host.asked());
}

#[tokio::test]
async fn without_a_key_nothing_is_stored() {
    for mood in [Mood::Refusing, Mood::Failing, Mood::Panicking] {
        let world = World::new().await;
        let order = world.order(OrderStatus::Verified).await;
        let host = Host::new();
        let service = beside(&world, &host, LONG).await;
        let (session, admin) = (service.session(root(), id("north")), service.admin(root()));
        let before = stored(&world);
        host.set(mood);
        let keyless = [
            session.create_order(request()).await.err(),
            session.order(order, None).await.err(),
            session.update_status(order, change(OrderStatus::InProgress)).await.err(),
            session.subscribe(None, None).await.err(),
            admin.rotate_keys(&id("north"), |_| {}).await.err(),
            admin.register_territory(&id("west")).await.err(),
            admin.change_root(TestKey::with_root([2; 32]), |_| {}).await.err(),
            admin.checkpoint().await.err(),
        ];
        for error in keyless {
            assert_eq!(error.map(|error| error.code()), Some(ErrorCode::KeyUnavailable), "{mood:?}");
        }
        assert_eq!(stored(&world), before, "{mood:?}");
        // The new root's provider is the one that fails.
        let error = world.service.admin(root()).change_root(host.keys(), |_| {}).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::KeyUnavailable);
        let folder = tempfile::tempdir().unwrap();
        let fresh = folder.path().join("fresh.db");
        let error = OrderService::open(&fresh, host.keys()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::KeyUnavailable);
        host.set(Mood::Well);
        session.update_status(order, change(OrderStatus::InProgress)).await.unwrap();
        OrderService::open(&fresh, TestKey::new())
            .await
            .expect("nothing was made with a key that never came");
        assert_eq!(world.service.admin(root()).verify_audit().await.unwrap().verdict, Verdict::Intact);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_hangs_is_not_waited_for() {
    let world = World::new().await;
    let (keys, directory) = (Host::new(), Host::new());
    let slow_keys = beside(&world, &keys, LONG).await;
    let slow_directory = OrderService::builder(&world.path, TestKey::new())
        .directory(Directory(Arc::clone(&directory)))
        .open()
        .await
        .unwrap();
    let before = stored(&world);
    keys.set(Mood::Hanging);
    directory.set(Mood::Hanging);
    let calls: Vec<_> = (0..16)
        .map(|n| {
            let service = if n % 2 == 0 { &slow_keys } else { &slow_directory };
            let session = service.session(root(), id("north"));
            tokio::spawn(async move { (n, session.create_order(request()).await.unwrap_err().code()) })
        })
        .collect();
    for call in calls {
        let (n, code) = call.await.unwrap();
        let expected = [ErrorCode::KeyUnavailable, ErrorCode::StorageUnavailable][n % 2];
        assert_eq!(code, expected);
    }
    assert_eq!(stored(&world), before);
    keys.set(Mood::Well);
    directory.set(Mood::Well);
    for service in [&slow_keys, &slow_directory] {
        service.session(root(), id("north")).create_order(request()).await.unwrap();
        service.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_directory_that_says_no_or_nothing_is_obeyed() {
    let world = World::new().await;
    let directory = Host::new();
    let service = OrderService::builder(&world.path, TestKey::new())
        .directory(Directory(Arc::clone(&directory)))
        .open()
        .await
        .unwrap();
    let session = service.session(root(), id("north"));
    for mood in [Mood::Failing, Mood::Panicking] {
        directory.set(mood);
        assert_eq!(session.create_order(request()).await.unwrap_err().code(), ErrorCode::StorageUnavailable);
    }
    directory.set(Mood::Refusing);
    assert_eq!(session.create_order(request()).await.unwrap_err().code(), ErrorCode::TerritoryNotFound);
    assert_eq!(RawFile::read(&world.path).orders.len(), 0);
    directory.set(Mood::Well);
    let order = session.create_order(request()).await.unwrap().id;
    directory.set(Mood::Refusing);
    // The territory is known by now; this patient is not.
    let other = CreateOrder::new("p-9", "npi-1", "MRI");
    assert_eq!(session.create_order(other).await.unwrap_err().code(), ErrorCode::PatientProviderMismatch);
    directory.set(Mood::Well);
    assert_eq!(session.order(order, None).await.unwrap().summary.id, order);
    assert_eq!(RawFile::read(&world.path).faults(), [""; 0]);
}

#[tokio::test]
async fn a_provider_that_ignores_its_context_is_refused() {
    let careless = || {
        CallbackKeys::new(
            |key, _| TestKey::new().wrap(key, b"always the same"),
            |blob, _| TestKey::new().unwrap(blob, b"always the same"),
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.db");
    assert_eq!(OrderService::open(&path, careless()).await.unwrap_err().code(), ErrorCode::KeyMismatch);
    let good = OrderService::open(&path, TestKey::new()).await.expect("nothing was made with bad keys");
    let admin = good.admin(root());
    let error = admin.change_root(careless(), |_| {}).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::KeyMismatch);
    admin.register_territory(&id("north")).await.unwrap();
    assert_eq!(OrderService::open(&path, careless()).await.unwrap_err().code(), ErrorCode::KeyMismatch);
}

/// Calls the service from inside one of its callbacks; every call must be refused.
fn call_back(service: &OnceLock<OrderService>, refused: &AtomicUsize) {
    let Some(service) = service.get() else { return };
    let blocking = service.blocking();
    let session = blocking.session(root(), id("north"));
    let answers = [
        session.create_order(request()).err(),
        session.orders(&OrderFilter::new(), None, 1, None).err(),
        session.subscribe(None, None).err(),
        blocking.admin(root()).checkpoint().err(),
        blocking.close().err(),
    ];
    let closed = answers.iter().flatten().filter(|error| error.code() == ErrorCode::Closed).count();
    refused.fetch_add(usize::from(closed == answers.len()), Ordering::Relaxed);
}

struct Nosy(Arc<OnceLock<OrderService>>, Arc<AtomicUsize>);

impl CareDirectory for Nosy {
    fn territory_exists(&self, _: &TerritoryId) -> Result<bool> {
        call_back(&self.0, &self.1);
        Ok(true)
    }

    fn relationship_exists(&self, _: &PatientId, _: &ProviderId, _: &TerritoryId) -> Result<bool> {
        call_back(&self.0, &self.1);
        Ok(true)
    }
}

#[tokio::test]
async fn calling_the_service_from_inside_a_callback_is_refused() {
    let world = World::new().await;
    let itself = Arc::new(OnceLock::new());
    let [keys, directory, anchor] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
    let (inner, count) = (Arc::clone(&itself), Arc::clone(&keys));
    let provider = CallbackKeys::new(
        |key, context| TestKey::new().wrap(key, context),
        move |blob, context| {
            call_back(&inner, &count);
            TestKey::new().unwrap(blob, context)
        },
    );
    let (inner, count) = (Arc::clone(&itself), Arc::clone(&anchor));
    let sink = AnchorCallback::new(
        move |_: &str| {
            call_back(&inner, &count);
            Ok(())
        },
        |_: &str| Ok(None),
    );
    let service = OrderService::builder(&world.path, provider)
        .directory(Nosy(Arc::clone(&itself), Arc::clone(&directory)))
        .anchor(sink)
        .open()
        .await
        .unwrap();
    itself.set(service.clone()).unwrap();
    service.session(root(), id("north")).create_order(request()).await.unwrap();
    service.admin(root()).checkpoint().await.unwrap();
    // Two keys of the territory at least, two questions to the directory, three chains.
    let refused = [&keys, &directory, &anchor].map(|count| count.load(Ordering::Relaxed));
    assert!(refused[0] >= 2 && refused[1] == 2 && refused[2] == 3, "{refused:?}");
    service.close().await.unwrap();
}

#[tokio::test]
async fn a_call_dropped_at_any_moment_happened_wholly_or_not_at_all() {
    let world = World::new().await;
    let dropped = AtomicBool::new(false);
    for polls in 0..12 {
        let session = world.all();
        let mut call = pin!(session.create_order(request()));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..polls {
            if let Poll::Ready(done) = call.as_mut().poll(&mut context) {
                done.unwrap();
                break;
            }
            dropped.store(true, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert!(dropped.load(Ordering::Relaxed), "no call was ever waiting");
    // Behind everything that was queued.
    world.all().create_order(request()).await.unwrap();
    assert_eq!(RawFile::read(&world.path).faults(), [""; 0]);
    world.service.close().await.unwrap();
}
