//! Many concurrent requests, and their cost for the service.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use tokio::{sync::watch, task::JoinSet};

use crate::{connection::Connection, process::ProcessorTimes, stage::BenchTestbed};

/// The cost of a load.
pub struct Cost {
    /// The number of answers by status.
    pub answers: Vec<u16>,
    /// Processor time of the service.
    pub processor: Duration,
    /// From the first request to the last answer.
    pub wall: Duration,
    /// The most memory that the service was seen to use, in bytes.
    pub memory: u64,
}

impl Cost {
    /// Requests for each second that one core worked for the service. The customers' processor time
    /// is not counted.
    pub fn per_second_and_core(&self) -> f64 {
        self.answers.len() as f64 / self.processor.as_secs_f64()
    }

    /// Answers per second of the clock.
    pub fn per_second(&self) -> f64 {
        self.answers.len() as f64 / self.wall.as_secs_f64()
    }
}

/// Sends each lane's requests one after the other, all lanes concurrently.
pub async fn apply(stage: &BenchTestbed, lanes: Vec<Vec<Bytes>>) -> Cost {
    apply_to(std::slice::from_ref(stage), lanes).await
}

/// The same for several replicas; the lanes are distributed over them. The memory is that of the
/// first one.
pub async fn apply_to(stages: &[BenchTestbed], lanes: Vec<Vec<Bytes>>) -> Cost {
    let mut connections = Vec::new();
    for (stage, _) in stages.iter().cycle().zip(&lanes) {
        connections.push(Connection::open(&stage.address).await);
    }
    let (end, ended) = watch::channel(());
    let memory = tokio::spawn(most_memory(stages[0].service.pid(), ended));
    let used = || -> Vec<ProcessorTimes> {
        let each = stages.iter().map(|stage| stage.service.processor_times());
        each.collect()
    };
    let before = used();
    let start = Instant::now();
    let mut running = JoinSet::new();
    for (mut connection, requests) in connections.into_iter().zip(lanes) {
        running.spawn(async move {
            let mut answers = Vec::with_capacity(requests.len());
            for request in requests {
                answers.push(connection.ask(&request).await.status);
            }
            answers
        });
    }
    let answers = running.join_all().await.concat();
    let wall = start.elapsed();
    let after = used();
    let each = after.iter().zip(&before);
    let processor = each.map(|(now, then)| now.since(then)).sum();
    drop(end);
    Cost {
        answers,
        processor,
        wall,
        memory: memory.await.unwrap(),
    }
}

async fn most_memory(pid: u32, mut ended: watch::Receiver<()>) -> u64 {
    let mut most = crate::process::resident(pid);
    let pause = Duration::from_millis(20);
    while tokio::time::timeout(pause, ended.changed()).await.is_err() {
        most = most.max(crate::process::resident(pid));
    }
    most.max(crate::process::resident(pid))
}
