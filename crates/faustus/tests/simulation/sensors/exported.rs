//! What exporters write: names with their units, and the series of what is there.

use std::time::Duration;

use faustus::{FailurePolicy, Guarantee, testing::simulate};

use super::{counter, settings};

const TEN: Duration = Duration::from_millis(10);

#[cfg(feature = "prometheus")]
mod prometheus {
    use std::collections::BTreeSet;

    use faustus::Monitor;

    use super::*;

    fn series<'a>(text: &'a str, begin: &str) -> Vec<&'a str> {
        let lines = text.lines();
        lines.filter(|line| line.starts_with(begin)).collect()
    }

    #[test]
    fn the_exposition_holds_the_figures_in_seconds_and_bytes() {
        simulate(1, async |cluster| {
            let app = counter(FailurePolicy::default(), TEN, None);
            let worker = cluster.worker(app, settings(Guarantee::AtLeastOnce));
            for _ in 0..3 {
                cluster.send("words", "k", "a").await;
            }
            cluster.settle().await;
            let monitor = worker.handle().monitor().await;
            let text = monitor.prometheus();
            let completed =
                "faustus_agent_events_completed_total{app=\"counter\",agent=\"count\"} 3";
            assert_eq!(series(&text, "faustus_agent_events_completed"), [completed]);
            let bytes = monitor.received[0].traffic.bytes;
            let received = format!(
                "faustus_topic_received_bytes_total{{app=\"counter\",topic=\"words\"}} {bytes}"
            );
            assert_eq!(series(&text, "faustus_topic_received_bytes"), [received]);
            let lag = series(&text, "faustus_partition_lag_records{");
            let expected = [0, 1].map(|partition| {
                format!("faustus_partition_lag_records{{app=\"counter\",topic=\"words\",partition=\"{partition}\"}} 0.0")
            });
            assert_eq!(lag, expected);
            let sum = monitor.epochs.whole.sum().as_secs_f64();
            let sum = format!("faustus_epoch_duration_seconds_sum{{app=\"counter\"}} {sum:?}");
            assert_eq!(series(&text, "faustus_epoch_duration_seconds_sum"), [sum]);
            let (count, last) = (
                monitor.epochs.whole.count(),
                "faustus_epoch_duration_seconds_bucket{app=\"counter\",le=\"+Inf\"}",
            );
            assert_eq!(series(&text, last), [format!("{last} {count}")]);
            assert!(text.ends_with("# EOF\n"));
            assert_eq!(
                series(&text, "faustus_task_count{"),
                [
                    "faustus_task_count{app=\"counter\",state=\"recovering\"} 0.0",
                    "faustus_task_count{app=\"counter\",state=\"running\"} 2.0",
                    "faustus_task_count{app=\"counter\",state=\"parked\"} 0.0",
                ]
            );
        });
    }

    #[test]
    fn each_family_is_described_once_with_a_unit_where_it_has_one() {
        let text = Monitor::default().prometheus();
        let described: Vec<_> = series(&text, "# TYPE ");
        let names: BTreeSet<_> = described.iter().collect();
        assert_eq!(names.len(), described.len());
        for line in described {
            let mut words = line.split(' ').skip(2);
            let (name, kind) = (words.next().unwrap(), words.next().unwrap());
            let unit = |unit: &str| text.contains(&format!("# UNIT {name} {unit}\n"));
            assert_eq!(name.ends_with("_seconds"), unit("seconds"), "{line}");
            assert_eq!(name.ends_with("_bytes"), unit("bytes"), "{line}");
            assert!(kind != "histogram" || unit("seconds"), "{line}");
        }
    }

    #[test]
    fn the_series_of_partitions_are_those_of_the_assignment() {
        simulate(2, async |cluster| {
            let app = || counter(FailurePolicy::default(), TEN, None);
            let one = cluster.worker(app(), settings(Guarantee::AtLeastOnce));
            cluster.settle().await;
            let two = cluster.worker(app(), settings(Guarantee::AtLeastOnce));
            cluster.sleep(Duration::from_secs(60)).await;
            cluster.settle().await;
            for family in [
                "fetched_offset",
                "retired_offset",
                "committed_offset",
                "end_offset",
                "lag_records",
            ] {
                let name = format!("faustus_partition_{family}{{");
                for worker in [&one, &two] {
                    let text = worker.handle().monitor().await.prometheus();
                    assert_eq!(series(&text, &name).len(), 1, "{text}");
                }
            }
        });
    }
}

#[cfg(feature = "opentelemetry")]
mod opentelemetry {
    use ::opentelemetry::metrics::MeterProvider;
    use faustus::opentelemetry::{Durations, observe};
    use opentelemetry_sdk::metrics::{
        InMemoryMetricExporter, PeriodicReader, SdkMeterProvider,
        data::{AggregatedMetrics, Metric, MetricData},
    };

    use super::*;

    /// Sees the last of what was exported of a name.
    fn with<R>(
        exporter: &InMemoryMetricExporter,
        name: &str,
        see: impl FnOnce(&Metric) -> R,
    ) -> Option<R> {
        let exported = exporter.get_finished_metrics().unwrap();
        let last = exported.last()?;
        let metrics = last.scope_metrics().flat_map(|scope| scope.metrics());
        let mut metrics = metrics.filter(|metric| metric.name() == name);
        metrics.next().map(see)
    }

    fn sum(metric: &Metric) -> u64 {
        match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                sum.data_points().map(|point| point.value()).sum()
            }
            other => panic!("{} is {other:?}", metric.name()),
        }
    }

    fn gauges(metric: &Metric) -> usize {
        match metric.data() {
            AggregatedMetrics::F64(MetricData::Gauge(gauge)) => gauge.data_points().count(),
            other => panic!("{} is {other:?}", metric.name()),
        }
    }

    fn durations(metric: &Metric) -> (u64, f64) {
        assert_eq!(metric.unit(), "s");
        match metric.data() {
            AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                let points = histogram.data_points();
                points.fold((0, 0.0), |(count, sum), point| {
                    (count + point.count(), sum + point.sum())
                })
            }
            other => panic!("{} is {other:?}", metric.name()),
        }
    }

    #[test]
    fn a_meter_gets_counts_gauges_and_durations_in_their_units() {
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        let meter = provider.meter("faustus");
        simulate(1, async |cluster| {
            let app = counter(FailurePolicy::default(), TEN, None)
                .sensor(Durations::new(&meter).with_events(&meter));
            let worker = cluster.worker(app, settings(Guarantee::AtLeastOnce));
            observe(&meter, worker.handle());
            for collected in 1..=2 {
                for _ in 0..3 {
                    cluster.send("words", "k", "a").await;
                }
                cluster.settle().await;
                let monitor = worker.handle().monitor().await;
                provider.force_flush().unwrap();
                let completed = with(&exporter, "faustus.agent.events_completed", sum);
                assert_eq!(completed, Some(3 * collected));
                let received = with(&exporter, "faustus.topic.received", |metric| {
                    assert_eq!(metric.unit(), "By");
                    sum(metric)
                });
                assert_eq!(received, Some(monitor.received[0].traffic.bytes));
                assert_eq!(
                    with(&exporter, "faustus.partition.lag_records", gauges),
                    Some(2)
                );
                let (count, sum) = with(&exporter, "faustus.event.duration", durations).unwrap();
                assert_eq!(count, 3 * collected);
                let seconds = 0.03 * f64::from(u32::try_from(collected).unwrap());
                assert!((sum - seconds).abs() < 0.001, "{sum} s");
                let commits = with(&exporter, "faustus.commit.duration", durations).unwrap();
                assert_eq!(commits.0, monitor.epochs.committed);
            }
        });
    }
}
