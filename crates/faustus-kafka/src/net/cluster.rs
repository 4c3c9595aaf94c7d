//! The brokers of a cluster and the idle connections to them.
//!
//! A call takes an idle connection or opens one, and gives it back when the answer is there. Which
//! brokers there are is learnt from every metadata answer; the bootstrap addresses stay as the last
//! resort.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use kafka_protocol::{
    error::ParseResponseErrorCode,
    messages::{FindCoordinatorRequest, MetadataResponse},
    protocol::{Request, StrBytes},
};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::{Retry, connection::Connection};
use crate::{
    error::CallError,
    options::{Address, KafkaOptions},
};

/// How long one TCP connection may take to open.
const OPEN_LIMIT: Duration = Duration::from_secs(3);
/// How many idle connections to one broker are kept.
const IDLE_PER_BROKER: usize = 4;

/// Whom a request is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// Any broker.
    Any,
    /// The controller, or in a cluster that hides it any broker, which forwards.
    Controller,
    /// The broker of this id.
    Broker(i32),
    /// Whoever listens here.
    Address(Address),
}

/// The cluster as far as it is known.
#[derive(Debug)]
pub(crate) struct Cluster {
    bootstrap: Vec<Address>,
    client_id: StrBytes,
    request_timeout: Duration,
    known: Mutex<Known>,
    idle: Mutex<HashMap<Address, Vec<Connection>>>,
}

#[derive(Debug, Default)]
struct Known {
    brokers: BTreeMap<i32, Address>,
    controller: Option<i32>,
    /// The address that answered last, tried first.
    last_good: Option<Address>,
}

impl Cluster {
    /// A cluster that is reached through `bootstrap`; nothing is connected yet.
    pub(crate) fn new(bootstrap: Vec<Address>, options: &KafkaOptions) -> Self {
        Self {
            bootstrap,
            client_id: StrBytes::from_string(options.client_id.clone()),
            request_timeout: options.request_timeout,
            known: Mutex::default(),
            idle: Mutex::default(),
        }
    }

    /// How long one call may take, retries included.
    pub(crate) fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// The ids of all brokers that are known.
    pub(crate) fn broker_ids(&self) -> Vec<i32> {
        self.known.lock().brokers.keys().copied().collect()
    }

    /// Sends `request` to `target` and waits at most `limit` for the answer.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the connection is dropped with the call.
    pub(crate) async fn call<R: Request>(
        &self,
        target: &Target,
        request: &R,
        max_version: i16,
        limit: Duration,
    ) -> Result<R::Response, CallError> {
        let mut connection = self.connection(target).await?;
        let answer = timeout(limit, connection.call(request, max_version))
            .await
            .unwrap_or_else(|_| {
                Err(CallError::Lost(format!(
                    "no answer to request {} within {} ms",
                    R::KEY,
                    limit.as_millis()
                )))
            });
        if answer.is_ok() {
            self.give_back(connection);
        }
        answer
    }

    /// Learns the brokers from `answer`.
    pub(crate) fn learn(&self, answer: &MetadataResponse) {
        let brokers = answer.brokers.iter().filter_map(|broker| {
            let port = u16::try_from(broker.port).ok()?;
            let host = broker.host.to_string();
            Some((broker.node_id.0, Address { host, port }))
        });
        let mut known = self.known.lock();
        known.brokers = brokers.collect();
        known.controller = (answer.controller_id.0 >= 0).then_some(answer.controller_id.0);
    }

    /// Where the coordinator of `group` listens.
    pub(crate) async fn find_coordinator(&self, group: &str) -> Result<Address, CallError> {
        let request = FindCoordinatorRequest::default()
            .with_key(StrBytes::from_string(group.to_owned()))
            .with_key_type(0);
        let answer = self
            .call(&Target::Any, &request, 3, self.request_timeout)
            .await?;
        if let Some(code) = answer.error_code.err() {
            return Err(CallError::refused(
                code,
                format!("coordinator of group {group}"),
            ));
        }
        let port = u16::try_from(answer.port)
            .map_err(|_| CallError::Protocol(format!("coordinator at port {}", answer.port)))?;
        Ok(Address {
            host: answer.host.to_string(),
            port,
        })
    }

    /// Connects to some broker within `limit`, to find out at once whether there is one.
    pub(crate) async fn reach(&self, limit: Duration) -> Result<(), CallError> {
        let mut retry = Retry::within(limit);
        loop {
            match timeout(retry.left(), self.connection(&Target::Any)).await {
                Ok(Ok(connection)) => {
                    self.give_back(connection);
                    return Ok(());
                }
                Ok(Err(error)) if !error.is_transient() || !retry.again().await => {
                    return Err(error);
                }
                Ok(Err(_)) => {}
                Err(_) => {
                    return Err(CallError::Unreachable(format!(
                        "no answer within {} ms",
                        limit.as_millis()
                    )));
                }
            }
        }
    }

    async fn connection(&self, target: &Target) -> Result<Connection, CallError> {
        let mut failures = Vec::new();
        for address in self.addresses(target)? {
            if let Some(connection) = self.take_idle(&address) {
                return Ok(connection);
            }
            match Connection::open(address.clone(), self.client_id.clone(), OPEN_LIMIT).await {
                Ok(connection) => {
                    self.known.lock().last_good = Some(address);
                    return Ok(connection);
                }
                Err(CallError::Unreachable(text)) if *target == Target::Any => failures.push(text),
                Err(error) => return Err(error),
            }
        }
        Err(CallError::Unreachable(failures.join("; ")))
    }

    /// Where `target` may be, the likeliest first.
    fn addresses(&self, target: &Target) -> Result<Vec<Address>, CallError> {
        let known = self.known.lock();
        let broker = |id: i32| {
            known.brokers.get(&id).cloned().ok_or_else(|| {
                CallError::Unreachable(format!("broker {id} is not in the cluster now"))
            })
        };
        match target {
            Target::Address(address) => Ok(vec![address.clone()]),
            Target::Broker(id) => Ok(vec![broker(*id)?]),
            Target::Controller
                if known
                    .controller
                    .is_some_and(|id| known.brokers.contains_key(&id)) =>
            {
                Ok(vec![broker(known.controller.unwrap_or(-1))?])
            }
            Target::Controller | Target::Any => {
                let mut all: Vec<Address> = known.last_good.iter().cloned().collect();
                for address in known.brokers.values().chain(&self.bootstrap) {
                    if !all.contains(address) {
                        all.push(address.clone());
                    }
                }
                Ok(all)
            }
        }
    }

    fn take_idle(&self, address: &Address) -> Option<Connection> {
        let mut idle = self.idle.lock();
        let connections = idle.get_mut(address)?;
        while let Some(connection) = connections.pop() {
            if connection.is_usable() {
                return Some(connection);
            }
        }
        None
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock();
        let connections = idle.entry(connection.address().clone()).or_default();
        if connections.len() < IDLE_PER_BROKER {
            connections.push(connection);
        }
    }
}
