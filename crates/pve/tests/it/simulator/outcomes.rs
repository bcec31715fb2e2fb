//! Creates that may have been executed, and tasks that fail.

use pve::{Refusal, TaskOutcome};
use pve_sim::{Fault, FaultKind, Operation};

use super::{by_token, container, done, ids, simulator};

#[tokio::test]
async fn a_create_that_was_executed_all_the_same_never_looks_like_one_that_was_not() {
    let executed = [
        FaultKind::Answer596After,
        FaultKind::DropAfter,
        FaultKind::EmptyBody,
        FaultKind::TruncatedBody,
    ];
    for kind in executed {
        let sim = simulator().await;
        let client = by_token(&sim);
        let (node, vmid) = ids(&sim);
        sim.faults()
            .inject(Fault::once(Operation::Create, kind.clone()));
        let error = client.create(&node, &container(vmid)).await.unwrap_err();
        assert!(error.may_have_executed(), "{kind:?}: {error}");
        assert_eq!(sim.tasks().len(), 1, "{kind:?}: it was executed, once");
    }
}

#[tokio::test]
async fn a_create_that_surely_was_not_executed_may_be_repeated() {
    let sim = simulator().await;
    let client = by_token(&sim);
    let (node, vmid) = ids(&sim);
    for kind in [
        FaultKind::Unreachable595,
        FaultKind::NoQuorum,
        FaultKind::ExpiredToken,
    ] {
        sim.faults()
            .inject(Fault::once(Operation::Create, kind.clone()));
        let error = client.create(&node, &container(vmid)).await.unwrap_err();
        assert!(!error.may_have_executed(), "{kind:?}: {error}");
        sim.faults().clear();
    }
    assert!(sim.tasks().is_empty());
    let upid = client.create(&node, &container(vmid)).await.unwrap();
    assert!(done(&client, &upid).await.is_success());
    let taken = client.create(&node, &container(vmid)).await.unwrap_err();
    assert_eq!(taken.refusal(), Some(&Refusal::VmidTaken), "{taken}");
    assert!(!taken.may_have_executed());
}

#[tokio::test]
async fn a_task_that_fails_or_warns_says_so() {
    let sim = simulator().await;
    let client = by_token(&sim);
    let (node, vmid) = ids(&sim);
    sim.faults().inject(Fault::once(
        Operation::Create,
        FaultKind::TaskFailure("no space".into()),
    ));
    let upid = client.create(&node, &container(vmid)).await.unwrap();
    assert_eq!(
        done(&client, &upid).await,
        TaskOutcome::Failed("unable to create CT 5001 - no space".into())
    );
    let mut warned = container(vmid);
    warned.nesting = false;
    let upid = client.create(&node, &warned).await.unwrap();
    assert_eq!(done(&client, &upid).await, TaskOutcome::Warnings(1));
}
