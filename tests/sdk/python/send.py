"""Sends logs, metrics and traces with the OpenTelemetry SDK for Python.

    send.py --grpc 4317 --http 4318

Every signal goes through the SDK's own pipeline and both of its OTLP exporters, without
compression and with gzip. Exits 1 if an exporter reported anything but success or the SDK logged a
warning, 0 otherwise, with one line for each combination.
"""

import argparse
import logging
import sys

from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcTraces
from opentelemetry.exporter.otlp.proto.http import Compression as HttpCompression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpTraces
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from grpc import Compression as GrpcCompression

RESOURCE = Resource.create({"service.name": "credit-assessment"})
EXECUTION = {"executionId": "exec-abc-123", "tenantHash": "t_8f3a2b1c", "nodeType": "calculation"}


class Warnings(logging.Handler):
    """What the SDK complains about."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def watched(exporter, results):
    """Keeps the result of each export of this exporter."""
    export = exporter.export

    def recording(*args, **kwargs):
        result = export(*args, **kwargs)
        results.append(result.name)
        return result

    exporter.export = recording
    return exporter


def send_logs(exporter):
    provider = LoggerProvider(resource=RESOURCE)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = provider.get_logger("workflow", "1.0")
    for level in (SeverityNumber.INFO, SeverityNumber.WARN, SeverityNumber.ERROR):
        logger.emit(
            severity_number=level,
            severity_text=level.name,
            body="workflow completed",
            attributes={**EXECUTION, "durationMs": 245, "nested": {"list": [1, 2.5, True, None]}},
        )
    logger.emit(
        severity_number=SeverityNumber.ERROR,
        severity_text="ERROR",
        body="node failed",
        attributes={**EXECUTION, "errorCode": "E_CALCULATION_OVERFLOW"},
    )
    return provider


def send_metrics(exporter):
    reader = PeriodicExportingMetricReader(exporter)
    provider = MeterProvider(resource=RESOURCE, metric_readers=[reader])
    meter = provider.get_meter("workflow", "1.0")
    labels = {"tenant_hash": "t_8f3a2b1c", "outcome": "approved", "node_type": "decision"}
    executions = meter.create_counter("bizfirst_workflow_executions_total")
    duration = meter.create_histogram("bizfirst_workflow_duration_ms", unit="ms")
    active = meter.create_up_down_counter("bizfirst_workflow_active")
    for value in (1, 20, 300):
        executions.add(1, labels)
        duration.record(value, labels)
        active.add(1, labels)
    return provider


def send_traces(exporter):
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("workflow", "1.0")
    with tracer.start_as_current_span("POST /workflow", kind=SpanKind.SERVER):
        with tracer.start_as_current_span("node", attributes=EXECUTION) as span:
            span.add_event("retry", {"attempt": 1})
            span.record_exception(ValueError("overflow"))
            span.set_status(Status(StatusCode.ERROR))
    return provider


SENDERS = {"logs": send_logs, "metrics": send_metrics, "traces": send_traces}


def exporters(grpc_port, http_port):
    """Each signal, protocol and compression with its exporter."""
    grpc = {"logs": GrpcLogs, "metrics": GrpcMetrics, "traces": GrpcTraces}
    http = {"logs": HttpLogs, "metrics": HttpMetrics, "traces": HttpTraces}
    for signal in SENDERS:
        for compression in (GrpcCompression.NoCompression, GrpcCompression.Gzip):
            endpoint = f"http://127.0.0.1:{grpc_port}"
            yield signal, "grpc", compression.name, grpc[signal](
                endpoint=endpoint, insecure=True, compression=compression, timeout=10
            )
        for compression in (HttpCompression.NoCompression, HttpCompression.Gzip):
            endpoint = f"http://127.0.0.1:{http_port}/v1/{signal}"
            yield signal, "http", compression.name, http[signal](
                endpoint=endpoint, compression=compression, timeout=10
            )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--grpc", type=int, required=True)
    parser.add_argument("--http", type=int, required=True)
    arguments = parser.parse_args()
    warnings = Warnings()
    logging.getLogger().addHandler(warnings)
    failed = False
    for signal, protocol, compression, exporter in exporters(arguments.grpc, arguments.http):
        results = []
        provider = SENDERS[signal](watched(exporter, results))
        flushed = provider.force_flush(10_000)
        provider.shutdown()
        good = flushed and results and set(results) == {"SUCCESS"} and not warnings.lines
        failed |= not good
        print(f"{signal} {protocol} {compression}: {results} {warnings.lines}")
        warnings.lines.clear()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
