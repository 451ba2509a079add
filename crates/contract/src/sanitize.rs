//! Deciding about a request: raw OTLP in, [`Sanitized`] out.
//!
//! Each signal has its own walk; all of them write through the same [`Run`] and count in the same
//! tally. Nothing is copied as bytes from the request: every field that is written was read as a
//! value first.

mod audit;
mod exponential;
mod ids;
mod logs;
mod memory;
mod metrics;
mod points;
mod traces;

use alloc::vec::Vec;
use core::fmt;

use lucarne_ledger::payload::{AuditEvent, Payloads};
use lucarne_otlp::Signal;
use lucarne_otlp::view::{KeyValue, Repeated, Resource};
use lucarne_otlp::wire::{WireError, Writer};

use crate::contract::{Attributes, Contract};
use crate::run::Run;
use crate::slot::Passed;
use crate::tally::{Key, Reason, Tally};

pub use self::memory::Memory;

/// What may leave of a request: the only thing that can be sealed as telemetry of a workload.
///
/// Only a contract makes one:
///
/// ```compile_fail
/// fn forge(parts: lucarne_contract::Parts) -> lucarne_contract::Sanitized {
///     lucarne_contract::Sanitized { parts } // the field is private
/// }
/// ```
#[derive(Debug)]
pub struct Sanitized {
    parts: Parts,
}

/// The parts of a sanitised request.
#[derive(Debug)]
#[non_exhaustive]
pub struct Parts {
    /// Records for the telemetry ledger, in runs of at most 8,192 records and about 1 MiB.
    pub telemetry: Vec<Payloads>,
    /// Events for the audit ledger.
    pub audit: Vec<AuditEvent>,
    /// What was withheld, and why.
    pub tally: Tally,
    /// Items dropped because the request exceeds a limit, for OTLP's partial success. What the
    /// contract withholds is not rejected: the workload did nothing wrong.
    pub rejected: u64,
}

/// A request that is not OTLP. It holds nothing of the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Malformed {
    /// What it should have been.
    pub signal: Signal,
    /// What is wrong with it.
    pub error: WireError,
}

/// Buffers that are reused from request to request.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) run: Run,
    // A resource while it is written.
    resource: Vec<u8>,
}

impl Sanitized {
    /// The contract's word that nothing else is in these parts than what it lets pass.
    pub(crate) const fn assertion(parts: Parts) -> Self {
        Self { parts }
    }

    /// What may be sealed, and what was withheld.
    pub fn into_parts(self) -> Parts {
        self.parts
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signal = match self.signal {
            Signal::Logs => "logs",
            Signal::Metrics => "metrics",
            Signal::Traces => "traces",
        };
        write!(f, "{signal} request is not OTLP: {}", self.error)
    }
}

impl core::error::Error for Malformed {}

pub(crate) fn sanitize(
    contract: &Contract,
    signal: Signal,
    request: &[u8],
    scratch: &mut Scratch,
    memory: &mut Memory,
) -> Result<Sanitized, Malformed> {
    memory.keep();
    scratch.run.begin(NO_SCOPE);
    let mut pass = Pass {
        contract,
        run: &mut scratch.run,
        resource: &mut scratch.resource,
        memory,
        tally: contract.tally(),
        audit: Vec::new(),
        rejected: 0,
    };
    match signal {
        Signal::Logs => pass.logs(request),
        Signal::Metrics => pass.metrics(request),
        Signal::Traces => pass.traces(request),
    }
    .map_err(|error| {
        pass.memory.undo();
        Malformed { signal, error }
    })?;
    let Pass { run, tally, audit, rejected, .. } = pass;
    Ok(Sanitized::assertion(Parts { telemetry: run.finish(), audit, tally, rejected }))
}

/// One request on its way through.
struct Pass<'c, 's> {
    contract: &'c Contract,
    run: &'s mut Run,
    resource: &'s mut Vec<u8>,
    memory: &'s mut Memory,
    tally: Tally,
    audit: Vec<AuditEvent>,
    rejected: u64,
}

impl Pass<'_, '_> {
    /// Makes the accepted attributes of a resource the context of the records to come.
    fn enter_resource(&mut self, resource: &Resource<'_>) -> Result<(), WireError> {
        self.encode_resource(resource)?;
        self.run.set_resource(self.resource);
        Ok(())
    }

    /// Writes the accepted attributes of a resource in the contract's order, so that equal ones are
    /// equal bytes.
    fn encode_resource(&mut self, resource: &Resource<'_>) -> Result<(), WireError> {
        let contract = self.contract;
        let rules = &contract.resource_attributes;
        let mut passed = Vec::new();
        accept(contract, rules, None, resource.attributes(), &mut self.tally, &mut passed)?;
        self.resource.clear();
        let mut writer = Writer::new(self.resource);
        for (position, value) in passed {
            if let Some(named) = rules.named.get(position) {
                named.write(1, value, &mut writer);
            }
        }
        Ok(())
    }
}

/// Collects the attributes that pass, in the contract's order, one a name. With `listed`, only
/// names at these positions may pass.
fn accept<'a>(
    contract: &Contract,
    rules: &Attributes,
    listed: Option<&[usize]>,
    attributes: Repeated<'a, KeyValue<'a>>,
    tally: &mut Tally,
    passed: &mut Vec<(usize, Passed<'a>)>,
) -> Result<(), WireError> {
    passed.clear();
    for attribute in attributes {
        let KeyValue { key, value } = attribute?;
        let found = rules
            .find(key.as_bytes())
            .filter(|(position, _)| listed.is_none_or(|listed| listed.contains(position)));
        let decided = match found {
            None => Err((Key::OTHER, Reason::Unlisted)),
            Some((position, named)) if passed.iter().any(|(taken, _)| *taken == position) => {
                Err((named.key, Reason::Duplicate))
            }
            Some((position, named)) => match named.slot.pass(&contract.guard, value) {
                Ok(value) => Ok((position, value)),
                Err(reason) => Err((named.key, reason)),
            },
        };
        match decided {
            Ok(value) => passed.push(value),
            Err((key, reason)) => {
                // What does not leave must still be OTLP: the inside store will read it.
                value.check()?;
                tally.add(key, reason);
            }
        }
    }
    passed.sort_unstable_by_key(|(position, _)| *position);
    Ok(())
}

/// The name of a scope is workload text, so every record has the scope without one.
const NO_SCOPE: &[u8] = &[];
