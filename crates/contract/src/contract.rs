//! The contract: what may leave, in the form that decides.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use lucarne_otlp::Signal;
use lucarne_otlp::view::AnyValue;
use lucarne_otlp::wire::Writer;

use crate::compile::compile;
use crate::egress::Egress;
use crate::error::ContractError;
use crate::file::GaugeRule;
use crate::names::Names;
use crate::own::{self, OwnPoint, OwnTime};
use crate::pattern::Whole;
use crate::sanitize::{self, Malformed, Memory, Sanitized, Scratch};
use crate::slot::{Guard, Passed, Slot};
use crate::tally::{Key, Keys, Reason, Tally};

/// What may leave the TEE.
#[derive(Debug)]
pub struct Contract {
    pub(crate) source: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) guard: Guard,
    pub(crate) metric_value: f64,
    pub(crate) log_attributes: Attributes,
    pub(crate) bodies: Bodies,
    pub(crate) resource_attributes: Attributes,
    pub(crate) labels: Attributes,
    pub(crate) metrics: (Names, Vec<Metric>),
    pub(crate) span_names: Names,
    pub(crate) round_nanos: u64,
    pub(crate) audit_scope: Option<Box<str>>,
    pub(crate) events: Names,
    pub(crate) egress: Option<Egress>,
    pub(crate) keys: Arc<[Box<str>]>,
}

/// Named slots.
#[derive(Debug)]
pub(crate) struct Attributes {
    pub(crate) names: Names,
    pub(crate) named: Vec<Named>,
}

/// A slot with its name, ready to be written.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: Box<str>,
    pub(crate) slot: Slot,
    pub(crate) key: Key,
    // The `key` field of a `KeyValue`, encoded.
    key_field: Box<[u8]>,
}

/// The bodies that may leave.
#[derive(Debug)]
pub(crate) struct Bodies {
    pub(crate) texts: Names,
    pub(crate) patterns: Vec<Whole>,
}

/// A metric that may leave.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) name: Box<str>,
    pub(crate) key: Key,
    // Positions among the contract's labels.
    pub(crate) labels: Vec<usize>,
    pub(crate) unit: Box<str>,
    // Observations that a series needs in order to leave; 0 is none.
    pub(crate) min_cohort: u64,
    pub(crate) gauge: GaugeRule,
}

impl Contract {
    /// Reads a contract.
    ///
    /// # Errors
    /// With line, column and key of what is wrong, and what was expected.
    pub fn parse(yaml: &str) -> Result<Self, ContractError> {
        compile(yaml)
    }

    /// The contract when none is given: the strictest that still carries the seeds' examples.
    #[expect(clippy::expect_used, reason = "the file is part of this crate and a test reads it")]
    pub fn default_contract() -> Self {
        compile(DEFAULT_SOURCE).expect("the default contract is valid")
    }

    /// The file that was read; its digest is part of the measured configuration.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The contract's own name, such as `credit-engine/3`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How sealed bytes leave; `None`: when there are some.
    pub const fn egress(&self) -> Option<Egress> {
        self.egress
    }

    /// An empty tally with the names of this contract.
    pub fn tally(&self) -> Tally {
        Tally::new(Arc::clone(&self.keys))
    }

    /// Decides what of a request may leave, and writes that anew. Series are those of the request
    /// alone.
    ///
    /// # Errors
    /// When the request is not OTLP. Nothing of it leaves then: a record that cannot be read cannot
    /// be told from its neighbours.
    pub fn sanitize(
        &self,
        signal: Signal,
        request: &[u8],
        scratch: &mut Scratch,
    ) -> Result<Sanitized, Malformed> {
        self.sanitize_remembering(signal, request, scratch, &mut Memory::default())
    }

    /// The same, where series go on from request to request: counters are added up over the parts
    /// that became one, and a series stays inside until it stands for its `min_cohort`.
    ///
    /// The memory must be told by [`Memory::undo`] when the request is refused after all.
    ///
    /// # Errors
    /// As [`sanitize`](Self::sanitize); the memory is as it was then.
    pub fn sanitize_remembering(
        &self,
        signal: Signal,
        request: &[u8],
        scratch: &mut Scratch,
        memory: &mut Memory,
    ) -> Result<Sanitized, Malformed> {
        sanitize::sanitize(self, signal, request, scratch, memory)
    }

    /// Metrics of the enclave itself: the tally as `lucarne_withheld_total{key,reason}`, and
    /// counters.
    ///
    /// Names and labels of points are static text of the program, so no workload text can come
    /// along.
    pub fn own_metrics(&self, time: OwnTime, withheld: &Tally, points: &[OwnPoint]) -> Sanitized {
        own::metrics(self, time, withheld, points)
    }
}

impl Attributes {
    /// Where a name stands, with its slot.
    #[inline]
    pub(crate) fn find(&self, name: &[u8]) -> Option<(usize, &Named)> {
        let position = self.names.position(name)?;
        Some((position, self.named.get(position)?))
    }
}

impl Named {
    pub(crate) fn new(name: &str, slot: Slot, keys: &mut Keys) -> Self {
        let mut key_field = Vec::new();
        Writer::new(&mut key_field).bytes(1, name.as_bytes());
        Self { name: name.into(), slot, key: keys.intern(name), key_field: key_field.into() }
    }

    /// Writes a `KeyValue` in field `number`.
    #[inline]
    pub(crate) fn write(&self, number: u32, value: Passed<'_>, writer: &mut Writer<'_>) {
        self.write_value(number, writer, |writer| value.write(writer));
    }

    /// The same for a text that [passed](Slot::passes_text).
    #[inline]
    pub(crate) fn write_text(&self, number: u32, text: &[u8], writer: &mut Writer<'_>) {
        self.write_value(number, writer, |writer| writer.bytes(1, text));
    }

    #[inline]
    fn write_value(
        &self,
        number: u32,
        writer: &mut Writer<'_>,
        value: impl FnOnce(&mut Writer<'_>),
    ) {
        writer.message(number, |writer| {
            writer.encoded(&self.key_field);
            writer.message(2, value);
        });
    }
}

impl Bodies {
    /// Decides about a body.
    #[inline]
    pub(crate) fn pass<'a>(&self, guard: &Guard, body: AnyValue<'a>) -> Result<&'a str, Reason> {
        let AnyValue::String(text) = body else { return Err(Reason::Type) };
        // The guard has seen the listed ones when the contract was read.
        if self.texts.contains(text) {
            return Ok(text);
        }
        let listed =
            |text: &str| self.patterns.iter().any(|pattern| pattern.matches(text.as_bytes()));
        match guard.text(text, listed) {
            Err(Reason::Value) => Err(Reason::Unlisted),
            decided => decided,
        }
    }
}

/// The text of the default contract.
pub(crate) const DEFAULT_SOURCE: &str = include_str!("default.yaml");
