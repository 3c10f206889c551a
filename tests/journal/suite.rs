//! What every store promises. Each function gets an empty journal, as two executors see it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tidegate::{
    journal::{Ending, Event, Journal, JournalError, Record, chain},
    model::RunId,
};

use super::support::{Pair, TTL, at, begun, opened, plan, plan_with_fractions, run};

fn ended(ending: Ending) -> Event {
    Event::Ended { ending }
}

fn stuck() -> Ending {
    Ending::Stuck { why: "lb-01 does not answer".to_owned() }
}

fn acknowledged() -> Ending {
    Ending::Acknowledged { by: "ann".to_owned() }
}

fn aborted(undo: &str) -> Ending {
    Ending::Aborted { why: "asked for".to_owned(), undo: Some(run(undo)) }
}

async fn events(journal: &Arc<dyn Journal>, run: &RunId) -> Vec<Event> {
    journal.records(run).await.expect("the records").into_iter().map(|r| r.event).collect()
}

pub async fn events_come_back_as_they_were_appended(pair: Pair) {
    let (lease, run) = opened(&*pair.ours, "r1").await;
    assert_eq!(pair.theirs.records(&run).await.expect("a run without records"), []);
    let first = [Event::Taken { by: lease.holder.clone() }, begun(0)];
    let mut written = pair.ours.append(&lease, &run, &first, at(1)).await.expect("the first batch");
    let held = Event::Held { why: "no \"quorum\"\n\u{1f30a}".to_owned() };
    written.extend(pair.ours.append(&lease, &run, &[held], at(2)).await.expect("the second batch"));
    assert_eq!(pair.ours.append(&lease, &run, &[], at(3)).await.expect("an empty batch"), []);
    assert_eq!(
        written.iter().map(|r| (r.seq, r.at, r.token)).collect::<Vec<_>>(),
        [(1, at(1), lease.token), (2, at(1), lease.token), (3, at(2), lease.token)]
    );
    assert_eq!(pair.theirs.records(&run).await.expect("the records"), written);
    assert_eq!(chain::verify(&written), Ok(()));
}

pub async fn a_plan_comes_back_to_the_last_digit(pair: Pair) {
    let lease = pair.ours.acquire("ann@ops-1:1", at(0), TTL).await.expect("the lease");
    pair.ours.open(&lease, &run("r1"), &plan_with_fractions(), None, at(0)).await.expect("the run opens");
    let summary = pair.theirs.run(&run("r1")).await.expect("the run");
    assert_eq!(summary.plan, plan_with_fractions());
    assert_eq!((summary.opened_at, summary.ending, summary.ended_at), (at(0), None, None));
}

pub async fn a_batch_is_stored_whole_or_not_at_all(pair: Pair) {
    let (lease, run) = opened(&*pair.ours, "r1").await;
    let batch = [begun(0), ended(Ending::Done), begun(1)];
    let refused = pair.ours.append(&lease, &run, &batch, at(1)).await;
    assert!(matches!(refused, Err(JournalError::Refused { .. })), "{refused:?}");
    assert_eq!(pair.theirs.records(&run).await.expect("the records"), []);
    assert_eq!(pair.theirs.run(&run).await.expect("the run").ending, None);
}

pub async fn a_stale_token_stores_nothing(pair: Pair) {
    let (stale, r1) = opened(&*pair.ours, "r1").await;
    // The same holder a second time is another executor as well: only the token tells them apart.
    let fresh = pair.theirs.acquire(&stale.holder, at(100), TTL).await.expect("the lease ran out");
    let fenced = JournalError::Fenced { ours: stale.token, current: fresh.token };
    assert!(fresh.token > stale.token);
    assert_eq!(pair.ours.append(&stale, &r1, &[begun(0)], at(1)).await, Err(fenced.clone()));
    assert_eq!(pair.ours.renew(&stale, at(1), TTL).await, Err(fenced.clone()));
    let closing = Some((&r1, aborted("r2")));
    assert_eq!(pair.ours.open(&stale, &run("r2"), &plan(), closing, at(1)).await, Err(fenced));
    assert_eq!(pair.ours.release(&stale).await, Ok(()), "a lost lease is no error");
    assert_eq!(pair.theirs.records(&r1).await.expect("the records"), []);
    assert_eq!(pair.theirs.runs(9).await.expect("the runs").len(), 1);
    assert_eq!(pair.theirs.holder(at(101)).await, Ok(Some(fresh.clone())), "still theirs");
    pair.theirs.append(&fresh, &r1, &[begun(0)], at(101)).await.expect("the newest token appends");
}

pub async fn a_lease_is_held_until_it_runs_out(pair: Pair) {
    let first = pair.ours.acquire("ann@ops-1:1", at(0), TTL).await.expect("the lease");
    assert_eq!(first.until, at(15));
    let held = JournalError::Held { holder: first.holder.clone(), until: at(15) };
    assert_eq!(pair.theirs.acquire("ben@ops-1:2", at(14), TTL).await, Err(held.clone()));
    assert_eq!(pair.theirs.acquire("ann@ops-1:1", at(14), TTL).await, Err(held), "not even under the same name");
    assert_eq!(pair.theirs.holder(at(14)).await, Ok(Some(first.clone())));
    assert_eq!(pair.theirs.holder(at(15)).await, Ok(None));
    let run = run("r1");
    pair.ours.open(&first, &run, &plan(), None, at(20)).await.expect("run out, but nobody has taken it over");
    let second = pair.theirs.acquire("ben@ops-1:2", at(15), TTL).await.expect("it ran out");
    assert_eq!((second.token, second.until), (first.token + 1, at(30)));
    assert_eq!(pair.ours.holder(at(16)).await, Ok(Some(second)));
}

pub async fn a_lease_is_prolonged_and_given_back(pair: Pair) {
    let first = pair.ours.acquire("ann@ops-1:1", at(0), TTL).await.expect("the lease");
    let renewed = pair.ours.renew(&first, at(10), TTL).await.expect("renewed");
    assert_eq!((renewed.token, renewed.until), (first.token, at(25)));
    assert!(pair.theirs.acquire("ben@ops-1:2", at(24), TTL).await.is_err());
    assert_eq!(pair.ours.release(&renewed).await, Ok(()));
    assert_eq!(pair.ours.release(&renewed).await, Ok(()));
    assert_eq!(pair.theirs.holder(at(11)).await, Ok(None));
    let fenced = JournalError::Fenced { ours: first.token, current: first.token };
    assert_eq!(pair.ours.renew(&renewed, at(11), TTL).await, Err(fenced), "what was given back is gone");
    let forever = pair.theirs.acquire("ben@ops-1:2", at(11), Duration::MAX).await.expect("free at once");
    assert_eq!((forever.token, forever.until), (first.token + 1, jiff::Timestamp::MAX));
}

pub async fn a_token_is_never_given_twice(pair: Pair) {
    let mut tokens = BTreeSet::new();
    for i in 0..4 {
        let lease = pair.ours.acquire("ann@ops-1:1", at(i), TTL).await.expect("the lease");
        assert!(tokens.iter().all(|t| *t < lease.token), "{} after {tokens:?}", lease.token);
        tokens.insert(lease.token);
        pair.theirs.release(&lease).await.expect("released");
    }
}

pub async fn one_run_is_open_at_a_time(pair: Pair) {
    let (lease, r1) = opened(&*pair.ours, "r1").await;
    let open = pair.ours.open(&lease, &run("r2"), &plan(), None, at(1)).await;
    assert_eq!(open, Err(JournalError::RunOpen(r1.clone())));
    assert_eq!(pair.theirs.run(&run("r2")).await, Err(JournalError::NoSuchRun(run("r2"))));
    pair.ours.append(&lease, &r1, &[ended(Ending::Done)], at(2)).await.expect("ended");
    pair.ours.open(&lease, &run("r2"), &plan(), None, at(3)).await.expect("nothing is open any more");
    let again = pair.ours.open(&lease, &r1, &plan(), None, at(4)).await;
    assert!(matches!(again, Err(JournalError::Refused { run, .. }) if run == r1));
}

pub async fn an_abort_and_its_undo_are_one_fact(pair: Pair) {
    let (lease, r1) = opened(&*pair.ours, "r1").await;
    pair.ours.append(&lease, &r1, &[begun(0)], at(1)).await.expect("appended");
    // What cannot be done whole leaves no half: neither the ending nor the new run.
    let missing = Some((&run("r0"), Ending::Done));
    let failed = pair.ours.open(&lease, &run("r2"), &plan(), missing, at(2)).await;
    assert_eq!(failed, Err(JournalError::NoSuchRun(run("r0"))));
    let blocked = pair.ours.open(&lease, &run("r2"), &plan(), Some((&r1, stuck())), at(2)).await;
    assert_eq!(blocked, Err(JournalError::RunOpen(r1.clone())), "stuck is in the way as well");
    assert_eq!(events(&pair.theirs, &r1).await, [begun(0)]);
    assert_eq!(pair.theirs.runs(9).await.expect("the runs").len(), 1);
    assert_eq!(pair.theirs.run(&r1).await.expect("the run").ending, None);

    pair.ours.open(&lease, &run("r2"), &plan(), Some((&r1, aborted("r2"))), at(3)).await.expect("both");
    let records = pair.theirs.records(&r1).await.expect("the records");
    assert_eq!(records[1].event, ended(aborted("r2")));
    assert_eq!(chain::verify(&records), Ok(()));
    let closed = pair.theirs.run(&r1).await.expect("the run");
    assert_eq!((closed.ending, closed.ended_at), (Some(aborted("r2")), Some(at(3))));
    assert_eq!(pair.theirs.run(&run("r2")).await.expect("the undo").ending, None);
}

pub async fn what_has_ended_takes_nothing_more(pair: Pair) {
    let (lease, r1) = opened(&*pair.ours, "r1").await;
    pair.ours.append(&lease, &r1, &[begun(0), ended(Ending::Done)], at(1)).await.expect("ended");
    for late in [begun(1), ended(stuck()), ended(acknowledged())] {
        let refused = pair.ours.append(&lease, &r1, std::slice::from_ref(&late), at(2)).await;
        assert!(matches!(refused, Err(JournalError::Refused { .. })), "{late:?}: {refused:?}");
    }
    let refused = pair.ours.open(&lease, &run("r2"), &plan(), Some((&r1, aborted("r2"))), at(2)).await;
    assert!(matches!(refused, Err(JournalError::Refused { .. })), "{refused:?}");
    let summary = pair.theirs.run(&r1).await.expect("the run");
    assert_eq!((summary.ending, summary.ended_at), (Some(Ending::Done), Some(at(1))));
    assert_eq!(events(&pair.theirs, &r1).await.len(), 2);
}

pub async fn a_stuck_run_blocks_until_it_is_acknowledged(pair: Pair) {
    let (lease, r1) = opened(&*pair.ours, "r1").await;
    let early = pair.ours.append(&lease, &r1, &[ended(acknowledged())], at(1)).await;
    assert!(matches!(early, Err(JournalError::Refused { .. })), "not stuck: {early:?}");
    pair.ours.append(&lease, &r1, &[ended(stuck())], at(1)).await.expect("stuck");
    let blocked = pair.theirs.open(&lease, &run("r2"), &plan(), None, at(2)).await;
    assert_eq!(blocked, Err(JournalError::RunOpen(r1.clone())));
    for late in [begun(1), ended(Ending::Done), ended(stuck())] {
        let refused = pair.ours.append(&lease, &r1, std::slice::from_ref(&late), at(2)).await;
        assert!(matches!(refused, Err(JournalError::Refused { .. })), "{late:?}: {refused:?}");
    }
    assert_eq!(pair.theirs.run(&r1).await.expect("the run").ending, Some(stuck()));
    pair.ours.append(&lease, &r1, &[ended(acknowledged())], at(3)).await.expect("acknowledged");
    let summary = pair.theirs.run(&r1).await.expect("the run");
    assert_eq!((summary.ending, summary.ended_at), (Some(acknowledged()), Some(at(3))));
    pair.theirs.open(&lease, &run("r2"), &plan(), None, at(4)).await.expect("no longer blocked");
}

pub async fn an_abort_is_asked_for_once(pair: Pair) {
    let (lease, r1) = opened(&*pair.ours, "r1").await;
    assert_eq!(pair.ours.abort_requested(&r1).await, Ok(None));
    pair.theirs.request_abort(&r1, "ben", at(1)).await.expect("anybody may ask, without the lease");
    pair.theirs.request_abort(&r1, "cem", at(2)).await.expect("asking twice is asking once");
    assert_eq!(pair.ours.abort_requested(&r1).await, Ok(Some("ben".to_owned())));
    assert_eq!(events(&pair.ours, &r1).await, [], "the executor records it, not the one who asks");
    pair.ours.append(&lease, &r1, &[ended(Ending::Done)], at(3)).await.expect("ended");
    let late = pair.theirs.request_abort(&r1, "ben", at(4)).await;
    assert!(matches!(late, Err(JournalError::Refused { .. })), "nobody would ever see it: {late:?}");
    assert_eq!(pair.theirs.abort_requested(&r1).await, Ok(Some("ben".to_owned())));
}

pub async fn lists_are_newest_first_and_bounded(pair: Pair) {
    let lease = pair.ours.acquire("ann@ops-1:1", at(0), TTL).await.expect("the lease");
    assert_eq!(pair.ours.runs(9).await, Ok(vec![]));
    // Opened with the same time, and with names that sort the other way.
    for name in ["c", "b", "a"] {
        pair.ours.open(&lease, &run(name), &plan(), None, at(1)).await.expect("opened");
        pair.ours.append(&lease, &run(name), &[ended(Ending::Done)], at(1)).await.expect("ended");
    }
    let names = async |limit| {
        let runs = pair.theirs.runs(limit).await.expect("the runs");
        runs.iter().map(|r| r.run.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(usize::MAX).await, ["a", "b", "c"]);
    assert_eq!(names(2).await, ["a", "b"]);
    assert_eq!(names(0).await, [""; 0]);
}

pub async fn what_is_not_there_is_said_to_be_missing(pair: Pair) {
    let lease = pair.ours.acquire("ann@ops-1:1", at(0), TTL).await.expect("the lease");
    let r9 = run("r9");
    let missing = JournalError::NoSuchRun(r9.clone());
    assert_eq!(pair.ours.records(&r9).await, Err(missing.clone()));
    assert_eq!(pair.ours.run(&r9).await, Err(missing.clone()));
    assert_eq!(pair.ours.append(&lease, &r9, &[begun(0)], at(0)).await, Err(missing.clone()));
    assert_eq!(pair.ours.request_abort(&r9, "ann", at(0)).await, Err(missing.clone()));
    assert_eq!(pair.ours.abort_requested(&r9).await, Err(missing));
}

pub async fn the_chain_shows_every_change(pair: Pair) {
    let (lease, r1) = opened(&*pair.ours, "r1").await;
    let batch: Vec<Event> = (0..4).map(begun).collect();
    pair.ours.append(&lease, &r1, &batch, at(1)).await.expect("appended");
    let good = pair.theirs.records(&r1).await.expect("the records");
    assert_eq!(chain::verify(&good), Ok(()));
    let damaged = |change: &dyn Fn(&mut Vec<Record>)| {
        let mut records = good.clone();
        change(&mut records);
        chain::verify(&records)
    };
    assert_eq!(damaged(&|r| r[2].event = begun(9)), Err(3), "another event");
    assert_eq!(damaged(&|r| r[2].at = at(2)), Err(3), "another time");
    assert_eq!(damaged(&|r| r[2].token += 1), Err(3), "another token");
    assert_eq!(damaged(&|r| r[2].seq += 1), Err(3), "another number");
    assert_eq!(damaged(&|r| r[3].hash.replace_range(..1, "x")), Err(4), "another hash");
    assert_eq!(damaged(&|r| drop(r.remove(0))), Err(1), "the first is missing");
    assert_eq!(damaged(&|r| drop(r.remove(1))), Err(2), "one is missing");
    assert_eq!(damaged(&|r| r.swap(1, 2)), Err(2), "two changed places");
    assert_eq!(damaged(&|r| r.insert(2, r[1].clone())), Err(3), "one is there twice");
}

pub async fn of_many_at_once_one_gets_the_lease(pair: Pair) {
    let attempts = (0..16).map(|i| {
        let journal = if i % 2 == 0 { pair.ours.clone() } else { pair.theirs.clone() };
        tokio::spawn(async move { journal.acquire(&format!("ann@ops-1:{i}"), at(0), TTL).await })
    });
    let mut tokens = Vec::new();
    for attempt in attempts.collect::<Vec<_>>() {
        match attempt.await.expect("no panic") {
            Ok(lease) => tokens.push(lease.token),
            Err(error) => assert!(matches!(error, JournalError::Held { .. }), "{error}"),
        }
    }
    assert_eq!(tokens.len(), 1, "{tokens:?}");
}

pub async fn executors_that_take_over_from_each_other_leave_one_chain(pair: Pair) {
    let (_, r1) = opened(&*pair.ours, "r1").await;
    let executors = (0..4).map(|i| {
        let (journal, r1) = (if i % 2 == 0 { pair.ours.clone() } else { pair.theirs.clone() }, r1.clone());
        tokio::spawn(async move { take_over_and_append(&*journal, &r1, i).await })
    });
    let (mut stored, mut fenced) = (0, 0);
    for executor in executors.collect::<Vec<_>>() {
        let (s, f) = executor.await.expect("no panic");
        stored += s;
        fenced += f;
    }
    let records = pair.theirs.records(&r1).await.expect("the records");
    assert_eq!(records.len(), stored, "{fenced} were fenced and stored nothing");
    assert_eq!(chain::verify(&records), Ok(()));
    assert!(records.is_sorted_by_key(|r| r.token), "no token writes after a newer one");
    assert_eq!(stored + fenced, 4 * 20 * 2);
}

/// Takes the lease twenty times, for no time at all, and appends twice under each token.
async fn take_over_and_append(journal: &dyn Journal, run: &RunId, number: usize) -> (usize, usize) {
    let (mut stored, mut fenced) = (0, 0);
    for _ in 0..20 {
        let name = format!("ann@ops-1:{number}");
        let lease = journal.acquire(&name, at(100), Duration::ZERO).await.expect("always free");
        for _ in 0..2 {
            tokio::task::yield_now().await;
            match journal.append(&lease, run, &[begun(number)], at(100)).await {
                Ok(records) => stored += records.len(),
                Err(JournalError::Fenced { .. }) => fenced += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    (stored, fenced)
}
