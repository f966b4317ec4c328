//! What every engine must do, as cases that judge it through [`Storage`] alone.
//!
//! A harness makes one new engine a case, born with [`generation`] and [`keys`], and calls [`Case::run`], which
//! panics where the engine breaks its word.

mod bench;
mod epochs;
mod log;
mod reads;
mod registry;
mod units;
mod upkeep;
mod writes;

use std::fmt;
use std::sync::Arc;

use self::bench::Bench;
use crate::storage::{KeyRow, Storage};

/// One promise of the trait.
#[derive(Clone, Copy)]
pub struct Case {
    /// What is promised.
    pub name: &'static str,
    body: fn(&Bench),
}

impl Case {
    /// Judges an engine that nobody has used yet, and then whether its chains still hold.
    ///
    /// # Panics
    /// If the engine breaks the promise.
    pub fn run(&self, engine: Arc<dyn Storage>) {
        let bench = Bench::furnish(engine);
        (self.body)(&bench);
        bench.check_chains();
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Case({})", self.name)
    }
}

/// The generation an engine under test must be born with.
#[must_use]
pub const fn generation() -> [u8; 16] {
    [0xA5; 16]
}

/// The key rows an engine under test must be born with; not sorted, since that is the engine's part.
#[must_use]
pub fn keys() -> Vec<KeyRow> {
    ["checkpoint", "check", "audit"].map(|purpose| bench::key(purpose, "", 1)).to_vec()
}

/// Every case.
#[must_use]
pub fn cases() -> Vec<Case> {
    macro_rules! cases {
        ($($module:ident { $($name:ident)* })*) => {
            vec![$($(Case {
                name: concat!(stringify!($module), "::", stringify!($name)),
                body: $module::$name,
            },)*)*]
        };
    }
    cases! {
        writes {
            insert_keeps_every_column
            insert_of_a_known_id_is_refused
            update_gives_a_new_version
            update_without_fields_keeps_them
            update_of_another_version_misfits
            update_without_a_row_or_key_misfits
            shred_leaves_the_skeleton
            shred_of_another_version_misfits
            present_misfits_without_a_key
            rewrap_replaces_only_the_bytes_it_names
            key_is_insert_only
            replace_keys_needs_exactly_the_old_rows
            checkpoint_of_a_position_is_the_newest_one
        }
        units {
            a_misfit_leaves_nothing_of_its_unit
            a_misfit_leaves_no_territory
            outcomes_stand_in_the_order_of_units
            units_of_several_chains_share_a_commit
            replay_gives_every_record_that_is_taken
            a_replay_goes_before_a_conflict
            a_second_change_entry_of_a_version_is_refused
            a_refused_unit_leaves_the_others
            a_linker_without_the_key_writes_nothing
            a_unit_commits_now
            a_unit_without_drafts_commits
            a_large_group_commits
            writers_on_several_threads_do_not_meet
        }
        epochs {
            another_epoch_is_stale
            raise_epoch_ends_an_epoch
            unregister_ends_an_epoch_and_keeps_the_row
            territory_makes_an_unregistered_one_active
            remove_relationship_ends_an_epoch
            replace_keys_ends_every_epoch
            generation_ends_every_epoch
            an_epoch_ends_within_a_group
            every_epoch_ends_within_a_group
        }
        log {
            a_chain_starts_at_its_genesis
            seq_has_no_gap_and_links_hold
            time_never_decreases
            entries_come_back_as_linked
            entries_by_every_member_of_a_query
            disclosures_are_views_that_showed_something
            entries_of_chains_do_not_meet
            changes_are_success_entries_of_one_order
            events_of_all_orders
            events_of_one_order
            events_tell_anchor_head_and_activity
        }
        reads {
            orders_newest_first_without_skeletons
            orders_by_every_filter
            orders_before_and_limit
            walk_goes_up_with_skeletons
            wraps_other_than_skips_the_current_version
            order_count_counts_skeletons
            order_exists_in_any_territory
            one_id_in_two_territories_is_two_orders
            one_key_in_two_territories_is_two_records
            records_are_listed_by_pages
            a_copy_is_the_same_to_the_last_byte
            an_unknown_territory_is_empty
        }
        registry {
            meta_is_what_it_was_born_with
            keys_are_sorted_and_by_chain
            territories_are_sorted_with_their_heads
            relationships_are_listed_by_pages
            relationships_of_one_side
            relationship_twice_is_one
            relationships_of_territories_do_not_meet
            the_newest_checkpoint_of_each_chain
        }
        upkeep {
            a_commit_ticks_changed
            a_tick_reaches_who_came_before_it
            reads_see_whole_commits_only
            backup_never_overwrites
            everything_is_closed_after_close
        }
    }
}
