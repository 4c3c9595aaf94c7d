//! The figures as text that Prometheus reads.

use std::{borrow::Cow, fmt, iter::once};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit as TextUnit},
};

use super::{
    Monitor,
    families::{Family, Labels, Unit, Values},
};

impl Monitor {
    /// The content type of what [`prometheus`](Self::prometheus) gives.
    pub const PROMETHEUS_CONTENT_TYPE: &str =
        "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// All figures as text in the OpenMetrics format, which Prometheus reads.
    ///
    /// Names begin with `faustus_`, every series has the label `app`. A page of your own server gives it
    /// to whoever scrapes: after [`WorkerHandle::monitor`](crate::WorkerHandle::monitor), with the lag as it
    /// is at that moment.
    ///
    /// # Examples
    ///
    /// ```
    /// # async fn metrics(worker: &faustus::WorkerHandle) -> String {
    /// worker.monitor().await.prometheus()
    /// # }
    /// let text = faustus::Monitor::default().prometheus();
    /// assert!(text.contains("faustus_epoch_committed_total{app=\"\"} 0\n"));
    /// ```
    #[must_use]
    pub fn prometheus(&self) -> String {
        let app = (Cow::Borrowed("app"), Cow::Owned(self.app.clone()));
        let mut registry = Registry::with_prefix_and_labels("faustus", once(app));
        registry.register_collector(Box::new(Families(self.families())));
        let mut exposition = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut exposition, &registry);
        exposition
    }
}

#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for family in &self.0 {
            let unit = match family.unit {
                Unit::Named => None,
                Unit::Bytes => Some(TextUnit::Bytes),
                Unit::Seconds => Some(TextUnit::Seconds),
            };
            let name = family.name.replace('.', "_");
            let kind = match &family.values {
                Values::Counters(_) => MetricType::Counter,
                Values::Gauges(_) => MetricType::Gauge,
                Values::Histogram(_) => MetricType::Histogram,
            };
            let encoder = encoder.encode_descriptor(&name, family.help, unit.as_ref(), kind)?;
            write(&family.values, encoder)?;
        }
        Ok(())
    }
}

fn write(values: &Values, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
    match values {
        Values::Counters(series) => {
            for (labels, value) in series {
                write_one(labels, &ConstCounter::new(*value), &mut encoder)?;
            }
            Ok(())
        }
        Values::Gauges(series) => {
            for (labels, value) in series {
                write_one(labels, &ConstGauge::new(*value), &mut encoder)?;
            }
            Ok(())
        }
        Values::Histogram(durations) => {
            let sum = durations.sum().as_secs_f64();
            let (count, buckets) = (durations.count(), durations.each());
            encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
        }
    }
}

fn write_one(
    labels: &Labels,
    value: &impl EncodeMetric,
    encoder: &mut MetricEncoder<'_>,
) -> Result<(), fmt::Error> {
    value.encode(encoder.encode_family(labels)?)
}
