//! Spans of calls, sent to a collector (OTLP over HTTP) where the feature `otel` is built in.

#[cfg(feature = "otel")]
mod otlp;

#[cfg(feature = "otel")]
pub(crate) use otlp::{Span, Traces};

#[cfg(not(feature = "otel"))]
pub(crate) use absent::{Span, Traces};

/// What stands for both where there are no traces.
#[cfg(not(feature = "otel"))]
mod absent {
    use crate::observe::{End, Sight};
    use crate::tasks::Tasks;

    /// There are none.
    #[derive(Debug)]
    pub(crate) enum Traces {}

    /// There are none.
    #[derive(Debug)]
    pub(crate) enum Span {}

    impl Traces {
        /// Says that there are none.
        pub(crate) fn new(endpoint: &url::Url, _: &Tasks) -> Result<Traces, String> {
            Err(format!(
                "traces to {endpoint}: this program was built without them; build it with the feature `otel`, or \
                 leave the setting out"
            ))
        }

        pub(crate) fn begin(&self, _: &Sight<'_>) -> Span {
            match *self {}
        }

        pub(crate) fn flush(&self) -> std::future::Ready<()> {
            match *self {}
        }
    }

    impl Span {
        pub(crate) fn context(&self) -> (String, String) {
            match *self {}
        }

        pub(crate) fn end(self, _: &End) {
            match self {}
        }
    }
}
