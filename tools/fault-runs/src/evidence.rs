//! What the log holds after a run: the inputs, the outputs, and the table by its changelog.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use faustus_core::{Offset, Transport};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    log,
    model::{Account, Names, Total},
};

/// Everything that was committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    pub(crate) inputs: Vec<Fed>,
    /// In the order of the log, partition by partition.
    pub(crate) outputs: Vec<Output>,
    /// The last value of each key.
    pub(crate) table: BTreeMap<String, Account>,
}

/// An input as the application got it: an order or a refund.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fed {
    pub(crate) number: u64,
    pub(crate) account: String,
    pub(crate) amount: u64,
}

/// An output and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) partition: u32,
    pub(crate) offset: Offset,
    pub(crate) total: Total,
}

impl Evidence {
    /// Reads all of it with a plain committed reader.
    pub(crate) async fn gather(log: &dyn Transport, names: &Names) -> Result<Self> {
        let mut evidence = Self::default();
        let inputs = &mut evidence.inputs;
        for topic in [&names.orders, &names.refunds] {
            log::read_topic(log, topic, |_, record| {
                inputs.push(json(record.value())?);
                Ok(())
            })
            .await?;
        }
        let outputs = &mut evidence.outputs;
        log::read_topic(log, &names.order_totals, |partition, record| {
            outputs.push(Output {
                partition,
                offset: record.offset(),
                total: json(record.value())?,
            });
            Ok(())
        })
        .await?;
        let table = &mut evidence.table;
        log::read_topic(log, &names.changelog, |_, record| {
            let key = json(record.key())?;
            match record.value() {
                Some(value) => table.insert(key, json(Some(value))?),
                None => table.remove(&key),
            };
            Ok(())
        })
        .await?;
        Ok(evidence)
    }
}

fn json<T: DeserializeOwned>(bytes: Option<&[u8]>) -> Result<T> {
    let bytes = bytes.unwrap_or_default();
    serde_json::from_slice(bytes)
        .with_context(|| format!("what is this: {}", String::from_utf8_lossy(bytes)))
}
