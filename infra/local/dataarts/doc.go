// Package dataarts is the DataArts Factory of the local cloud: an emulator of the service's public API, as strict and as odd as the
// documents say it is.
//
// What it guarantees:
//
//   - Every request's SDK-HMAC-SHA256 signature is checked, and the gateway's own errors are answered (401, 404, 429).
//   - Success codes, error codes, envelopes, paging, name rules and limits are those of the V1 and V2 API reference of Open Telekom Cloud and
//     Huawei Cloud. Business errors are always status 400 with a DLF code.
//   - An asset's JSON text is kept byte for byte, unknown keys, key order and number spelling included. Only the fields that the server owns
//     are taken out of a request and spliced into an answer.
//   - Where the documents contradict each other or say nothing, the default is the one most clients have met, and a field of Switches turns the
//     other reading on.
//   - Workspaces are isolated by the workspace header.
//
// It serves two hosts, as the cloud does: Service.V1 is host dayu-dlf (jobs, scripts, resources, connections, system tasks), Service.V2 is host
// dayu (environment variables, V2 lists, instances and workspaces of the Management Center).
//
// What it does not have answers 404 like an API that was never published: creating a job through V2, export and import of
// connections, running scripts and jobs. A job that is started is only marked as running.
package dataarts
