//! The standard access policy against an oracle: the table of the specification, cell by cell.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use medorder::{AccessPolicy, Actor, FieldSet, Permission, PhiField, Purpose, RoleGrant, RoleName};
use proptest::prelude::*;

const ROLES: [&str; 5] = ["requester", "verifier", "fulfiller", "auditor", "administrator"];

/// A line a permission, a column a role, in the order of `ROLES`.
const PERMISSIONS: [(&str, [u8; 5]); 9] = [
    ("order.create", [1, 0, 0, 0, 0]),
    ("order.view", [1, 1, 1, 0, 0]),
    ("order.verify", [0, 1, 0, 0, 0]),
    ("order.fulfil", [0, 0, 1, 0, 0]),
    ("order.cancel", [0, 0, 1, 0, 0]),
    ("order.delete", [0, 0, 0, 0, 1]),
    ("audit.read", [0, 0, 0, 1, 0]),
    ("directory.manage", [0, 0, 0, 0, 1]),
    ("keys.manage", [0, 0, 0, 0, 1]),
];

/// A line a field, a column a role.
const FIELDS: [(&str, [u8; 5]); 5] = [
    ("service_type", [1, 1, 1, 0, 0]),
    ("diagnosis_codes", [1, 1, 1, 0, 0]),
    ("notes", [1, 0, 1, 0, 0]),
    ("insurance", [1, 1, 0, 0, 0]),
    ("insurance_verification", [1, 1, 0, 0, 0]),
];

fn actor<'a>(roles: impl IntoIterator<Item = &'a str>) -> Actor {
    let roles = roles.into_iter().map(|role| role.parse().unwrap());
    Actor::new("u-1".parse().unwrap(), Purpose::Treatment).roles(roles)
}

fn role(name: &str) -> RoleName {
    name.parse().unwrap()
}

#[test]
fn the_tables_name_all_there_is() {
    let permissions: Vec<_> = Permission::ALL.iter().map(|p| p.name()).collect();
    assert_eq!(permissions, PERMISSIONS.map(|line| line.0));
    assert_eq!(FieldSet::ALL.names(), FIELDS.map(|line| line.0));
    let purposes: Vec<_> = Purpose::ALL.iter().map(|p| p.name()).collect();
    assert_eq!(purposes, ["treatment", "payment", "operations", "patient_request", "legal", "emergency"]);
    use medorder::access::role;
    let names =
        [role::requester(), role::verifier(), role::fulfiller(), role::auditor(), role::administrator()];
    assert_eq!(names.map(|name| name.to_string()), ROLES);
}

/// Every set of standard roles: roles add up, and nothing else does.
#[test]
fn every_cell_of_every_set_of_roles() {
    for separate in [false, true] {
        let policy = AccessPolicy::default().separate_verifier(separate);
        assert_eq!(policy.separates_verifier(), separate);
        for set in 0..32_u32 {
            let held = |at: &usize| set & (1 << at) != 0;
            let actor = actor((0..5).filter(held).map(|at| ROLES[at]));
            for (name, cells) in PERMISSIONS {
                let granted = (0..5).filter(held).any(|at| cells[at] == 1);
                let permission = Permission::parse(name).unwrap();
                assert_eq!(policy.allows(&actor, permission), granted, "{} {name}", actor.role_text());
            }
            for (name, cells) in FIELDS {
                let shown = (0..5).filter(held).any(|at| cells[at] == 1);
                let field = PhiField::parse(name).unwrap();
                assert_eq!(policy.disclosure(&actor).contains(field), shown, "{} {name}", actor.role_text());
            }
        }
    }
    assert!(!AccessPolicy::default().separates_verifier());
}

#[test]
fn who_has_no_known_role_may_nothing() {
    let policy = AccessPolicy::default();
    for roles in [&[][..], &["nurse"], &["requester2", "admin", "root", "0"]] {
        let actor = actor(roles.iter().copied());
        assert!(Permission::ALL.iter().all(|p| !policy.allows(&actor, *p)), "{roles:?}");
        assert_eq!(policy.disclosure(&actor), FieldSet::EMPTY);
    }
    for name in ROLES {
        let actor = actor([name]);
        assert!(Permission::ALL.iter().all(|p| !AccessPolicy::empty().allows(&actor, *p)), "{name}");
        assert_eq!(AccessPolicy::empty().disclosure(&actor), FieldSet::EMPTY);
    }
}

#[test]
fn a_role_of_the_host_grants_what_it_says() {
    let json = r#"{"separate_verifier":true,"roles":{
        "nurse":{"permissions":["order.view"],"fields":["notes"]},
        "payer":{"permissions":["order.verify","order.view"],"fields":["insurance"]}}}"#;
    let policy = AccessPolicy::from_json(json).unwrap();
    assert!(policy.separates_verifier());
    assert!(policy.allows(&actor(["nurse"]), Permission::OrderView));
    assert!(!policy.allows(&actor(["nurse"]), Permission::OrderVerify));
    assert!(!policy.allows(&actor(["requester"]), Permission::OrderView), "the standard roles are replaced");
    assert_eq!(policy.disclosure(&actor(["nurse", "payer"])).names(), ["notes", "insurance"]);
    let again = policy.clone().role(role("nurse"), RoleGrant::new([], []));
    assert!(!again.allows(&actor(["nurse"]), Permission::OrderView), "a role is replaced, not widened");
}

proptest! {
    /// The policy as JSON says what the policy as code says.
    #[test]
    fn any_policy_survives_its_json(
        separate in any::<bool>(),
        roles in prop::collection::btree_map("[a-z0-9][a-z0-9._-]{0,9}", (0..512_u32, 0..32_u32), 0..5),
    ) {
        let mut policy = AccessPolicy::empty().separate_verifier(separate);
        for (name, (permissions, fields)) in &roles {
            let held = Permission::ALL.iter().enumerate().filter(|(at, _)| permissions & (1 << at) != 0);
            let fields = FieldSet::from_bits(*fields).unwrap();
            policy = policy.role(role(name), RoleGrant::new(held.map(|(_, p)| *p), fields.iter()));
        }
        let json = serde_json::to_string(&policy).unwrap();
        prop_assert_eq!(&AccessPolicy::from_json(&json).unwrap(), &policy);
        prop_assert_eq!(&serde_json::from_str::<AccessPolicy>(&json).unwrap(), &policy);
    }
}
