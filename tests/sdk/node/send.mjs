// Sends logs, metrics and traces with the OpenTelemetry SDK for Node.
//
//   node send.mjs --grpc 4317 --http 4318
//
// Every signal goes through the SDK's own pipeline and its three OTLP exporters (gRPC, HTTP with
// protobuf, HTTP with JSON), without compression and with gzip. Exits 1 if an exporter reported
// anything but success or the SDK logged a warning, 0 otherwise, with one line for each
// combination.

import { parseArgs } from 'node:util';

import { diag, DiagLogLevel, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter as GrpcLogs } from '@opentelemetry/exporter-logs-otlp-grpc';
import { OTLPLogExporter as JsonLogs } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtoLogs } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPMetricExporter as GrpcMetrics } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { OTLPMetricExporter as JsonMetrics } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtoMetrics } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as GrpcTraces } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonTraces } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtoTraces } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

const resource = resourceFromAttributes({ 'service.name': 'credit-assessment' });
const execution = {
  executionId: 'exec-abc-123',
  tenantHash: 't_8f3a2b1c',
  nodeType: 'calculation',
};

function sendLogs(exporter) {
  const processors = [new BatchLogRecordProcessor({ exporter })];
  const provider = new LoggerProvider({ resource, processors });
  const logger = provider.getLogger('workflow', '1.0');
  for (const severityText of ['INFO', 'WARN', 'ERROR']) {
    logger.emit({
      severityNumber: SeverityNumber[severityText],
      severityText,
      body: 'workflow completed',
      attributes: { ...execution, durationMs: 245, nested: { list: [1, 2.5, true] } },
    });
  }
  return provider;
}

function sendMetrics(exporter) {
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 60_000 });
  const provider = new MeterProvider({ resource, readers: [reader] });
  const meter = provider.getMeter('workflow', '1.0');
  const labels = { tenant_hash: 't_8f3a2b1c', outcome: 'approved', node_type: 'decision' };
  const executions = meter.createCounter('bizfirst_workflow_executions_total');
  const duration = meter.createHistogram('bizfirst_workflow_duration_ms', { unit: 'ms' });
  const active = meter.createUpDownCounter('bizfirst_workflow_active');
  for (const value of [1, 20, 300]) {
    executions.add(1, labels);
    duration.record(value, labels);
    active.add(1, labels);
  }
  return provider;
}

function sendTraces(exporter) {
  const spanProcessors = [new BatchSpanProcessor(exporter)];
  const provider = new BasicTracerProvider({ resource, spanProcessors });
  const tracer = provider.getTracer('workflow', '1.0');
  const request = tracer.startSpan('POST /workflow', { kind: SpanKind.SERVER });
  const node = tracer.startSpan('node', { attributes: execution });
  node.addEvent('retry', { attempt: 1 });
  node.recordException(new Error('overflow'));
  node.setStatus({ code: SpanStatusCode.ERROR });
  node.end();
  request.end();
  return provider;
}

// Keeps the result of each export of this exporter.
function watched(exporter, results) {
  const send = exporter.export.bind(exporter);
  exporter.export = (items, done) =>
    send(items, (result) => {
      results.push(result.code === 0 ? 'success' : String(result.error));
      done(result);
    });
  return exporter;
}

const signals = {
  logs: { send: sendLogs, grpc: GrpcLogs, protobuf: ProtoLogs, json: JsonLogs },
  metrics: { send: sendMetrics, grpc: GrpcMetrics, protobuf: ProtoMetrics, json: JsonMetrics },
  traces: { send: sendTraces, grpc: GrpcTraces, protobuf: ProtoTraces, json: JsonTraces },
};

async function main() {
  const { values: ports } = parseArgs({
    options: { grpc: { type: 'string' }, http: { type: 'string' } },
  });
  const warnings = [];
  const keep = (...words) => warnings.push(words.join(' '));
  const quiet = () => {};
  diag.setLogger(
    { error: keep, warn: keep, info: quiet, debug: quiet, verbose: quiet },
    DiagLogLevel.WARN,
  );
  let failed = false;
  for (const [signal, { send, ...exporters }] of Object.entries(signals)) {
    for (const [protocol, Exporter] of Object.entries(exporters)) {
      const url =
        protocol === 'grpc'
          ? `http://127.0.0.1:${ports.grpc}`
          : `http://127.0.0.1:${ports.http}/v1/${signal}`;
      for (const compression of ['none', 'gzip']) {
        const results = [];
        const exporter = new Exporter({ url, compression, timeoutMillis: 10_000 });
        const provider = send(watched(exporter, results));
        await provider.forceFlush().catch(keep);
        await provider.shutdown().catch(keep);
        const good = results.length > 0 && results.every((result) => result === 'success');
        failed ||= !good || warnings.length > 0;
        console.log(`${signal} ${protocol} ${compression}:`, results, warnings);
        warnings.length = 0;
      }
    }
  }
  process.exitCode = failed ? 1 : 0;
}

await main();
