//! What a handle held is zeroed when it is freed: an allocator looks at every block as it is given back.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_char;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use medorder_ffi::actor::*;
use medorder_ffi::admin::*;
use medorder_ffi::constants::*;
use medorder_ffi::general::*;
use medorder_ffi::keys::*;
use medorder_ffi::order::*;
use medorder_ffi::request::*;
use medorder_ffi::service::*;
use medorder_ffi::session::*;
use medorder_ffi::text::*;

/// Looked for in what is freed. Never written in one piece but as the PHI of an order.
const CANARY: [u8; 20] = *b"\x63anary-of-the-secret";

struct Looking;

static LOOKS: AtomicBool = AtomicBool::new(false);
static FOUND: AtomicUsize = AtomicUsize::new(0);
static FREED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator; blocks are read before they are given back.
unsafe impl GlobalAlloc for Looking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that a look at the whole block reads no byte that nobody wrote.
        // SAFETY: as the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if LOOKS.load(Ordering::Relaxed) {
            // SAFETY: the block is the caller's, and of this size.
            let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
            FREED.fetch_add(1, Ordering::Relaxed);
            if bytes.windows(CANARY.len()).any(|window| window == CANARY) {
                FOUND.fetch_add(1, Ordering::Relaxed);
            }
        }
        // SAFETY: as the caller's.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Looking = Looking;

fn c(text: &str) -> (*const c_char, usize) {
    (text.as_ptr().cast(), text.len())
}

#[test]
fn no_block_is_freed_with_phi_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (key, url) = (path("root.key"), path("orders.db"));
    let canary = std::str::from_utf8(&CANARY).unwrap();
    let status = |status: i32| assert_eq!(status, MEDORDER_OK);
    // The look itself works.
    LOOKS.store(true, Ordering::Relaxed);
    drop(canary.to_owned());
    assert_eq!(FOUND.swap(0, Ordering::Relaxed), 1);

    let (mut keys, mut service, mut actor, mut admin) = (null_mut(), null_mut(), null_mut(), null_mut());
    let (mut session, mut draft, mut change, mut order) = (null_mut(), null_mut(), null_mut(), null_mut());
    let (mut list, mut text, error) = (null_mut(), null_mut(), null_mut());
    // SAFETY: pointers and lengths are those of texts that live, handles those that were given.
    unsafe {
        let args = c(&key);
        status(medorder_generate_key_file(args.0, args.1, error));
        status(medorder_keys_file(args.0, args.1, &mut keys, error));
        let args = c(&url);
        status(medorder_open(args.0, args.1, keys, null(), &mut service, error));
        let (user, purpose) = (c("u-7"), c("treatment"));
        status(medorder_actor_new(user.0, user.1, purpose.0, purpose.1, &mut actor, error));
        for (member, word) in [
            (MEDORDER_ACTOR_ROLE, "requester"),
            (MEDORDER_ACTOR_ROLE, "verifier"),
            (MEDORDER_ACTOR_ROLE, "administrator"),
            (MEDORDER_ACTOR_TERRITORY, "north"),
        ] {
            let word = c(word);
            status(medorder_actor_text(actor, member, word.0, word.1, error));
        }
        status(medorder_admin_new(service, actor, &mut admin, error));
        for (name, arguments) in [
            ("register_territory", r#"{"territory_id":"north"}"#),
            ("register_relationship", r#"{"territory_id":"north","patient_id":"p-1","provider_id":"npi-1"}"#),
        ] {
            let (name, arguments) = (c(name), c(arguments));
            let (name, arguments) = ((name.0, name.1), (arguments.0, arguments.1));
            status(medorder_admin_call(
                admin,
                name.0,
                name.1,
                arguments.0,
                arguments.1,
                None,
                null_mut(),
                &mut text,
                error,
            ));
            medorder_text_free(text);
        }
        let (north, patient, provider, phi) = (c("north"), c("p-1"), c("npi-1"), c(canary));
        status(medorder_session_new(service, actor, north.0, north.1, &mut session, error));

        status(medorder_draft_new(
            patient.0, patient.1, provider.0, provider.1, phi.0, phi.1, &mut draft, error,
        ));
        for member in [MEDORDER_DRAFT_DIAGNOSIS_CODE, MEDORDER_DRAFT_NOTES, MEDORDER_DRAFT_DIAGNOSIS_CODE] {
            status(medorder_draft_text(draft, member, phi.0, phi.1, error));
        }
        status(medorder_draft_insurance(draft, phi.0, phi.1, phi.0, phi.1, phi.0, phi.1, error));
        status(medorder_create_order(session, draft, &mut order, error));
        medorder_draft_free(draft);

        let (mut id, mut length) = (null(), 0);
        status(medorder_order_text(order, MEDORDER_ORDER_ID, &mut id, &mut length));
        status(medorder_change_new(MEDORDER_VERIFIED, &mut change, error));
        status(medorder_change_verification(change, phi.0, phi.1, phi.0, phi.1, error));
        status(medorder_change_text(change, MEDORDER_CHANGE_NOTES, phi.0, phi.1, error));
        status(medorder_change_text(change, MEDORDER_CHANGE_AUTHORIZATION_NUMBER, phi.0, phi.1, error));
        let coverage = [b"{\"a\":\"".as_slice(), &CANARY, b"\"}"].concat();
        let coverage = zeroize::Zeroizing::new(coverage);
        let member = MEDORDER_CHANGE_COVERAGE_DETAILS;
        status(medorder_change_text(change, member, coverage.as_ptr().cast(), coverage.len(), error));
        let mut changed = null_mut();
        status(medorder_update_status(session, id, length, change, &mut changed, error));
        medorder_order_free(changed);
        medorder_change_free(change);

        let mut seen = null_mut();
        status(medorder_get_order(session, id, length, null(), &mut seen, error));
        let (mut notes, mut notes_length) = (null(), 0);
        status(medorder_order_text(seen, MEDORDER_ORDER_NOTES, &mut notes, &mut notes_length));
        let notes = std::slice::from_raw_parts(notes.cast::<u8>(), notes_length);
        assert!(notes.starts_with(&CANARY), "the order shows what is looked for");
        medorder_order_free(seen);
        medorder_order_free(order);

        let query = medorder_order_query {
            struct_size: u32::try_from(size_of::<medorder_order_query>()).unwrap(),
            statuses: 0,
            patient_id: null(),
            patient_id_length: 0,
            provider_id: null(),
            provider_id_length: 0,
            created_from: MEDORDER_ABSENT,
            created_to: MEDORDER_ABSENT,
            cursor: null(),
            cursor_length: 0,
            limit: 50,
            fields: null(),
        };
        status(medorder_list_orders(session, &query, &mut list, error));
        medorder_order_list_free(list);
        let (orders, nothing) = (c("orders"), c("{}"));
        status(medorder_session_call(session, orders.0, orders.1, nothing.0, nothing.1, &mut text, error));
        let json =
            std::slice::from_raw_parts(medorder_text_data(text).cast::<u8>(), medorder_text_length(text));
        assert!(json.windows(CANARY.len()).any(|window| window == CANARY));
        medorder_text_free(text);

        medorder_session_free(session);
        medorder_admin_free(admin);
        medorder_actor_free(actor);
        status(medorder_service_close(service, error));
        medorder_service_free(service);
        medorder_keys_free(keys);
    }
    LOOKS.store(false, Ordering::Relaxed);
    assert!(FREED.load(Ordering::Relaxed) > 1_000);
    assert_eq!(FOUND.load(Ordering::Relaxed), 0, "blocks were freed with PHI in them");
}
