//! The journal's contract, held by every store; and what only a file can do: be damaged, full, locked or read-only,
//! and outlive a process that is killed in the middle of a write.

#![expect(clippy::disallowed_methods, reason = "a journal in a file is tested on the machine's own clock")]

mod journal {
    //! See above.
    pub mod crash;
    pub mod file;
    pub mod full;
    pub mod suite;
    pub mod support;
}

use journal::{suite, support};

/// Runs every function of the suite against every store.
macro_rules! contract {
    ($($case:ident)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $case() {
                super::suite::$case(super::support::in_memory()).await;
            })*
        }

        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::suite::$case(super::support::in_a_file().await).await;
            })*
        }
    };
}

contract! {
    events_come_back_as_they_were_appended
    a_plan_comes_back_to_the_last_digit
    a_batch_is_stored_whole_or_not_at_all
    a_stale_token_stores_nothing
    a_lease_is_held_until_it_runs_out
    a_lease_is_prolonged_and_given_back
    a_token_is_never_given_twice
    one_run_is_open_at_a_time
    an_abort_and_its_undo_are_one_fact
    what_has_ended_takes_nothing_more
    a_stuck_run_blocks_until_it_is_acknowledged
    an_abort_is_asked_for_once
    lists_are_newest_first_and_bounded
    what_is_not_there_is_said_to_be_missing
    the_chain_shows_every_change
    of_many_at_once_one_gets_the_lease
    executors_that_take_over_from_each_other_leave_one_chain
}
