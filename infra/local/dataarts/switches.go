package dataarts

import (
	"reflect"
	"time"
)

// Switches turn on the readings of the documents that are not the default, and troubles that a network has. The zero value is the
// default service. Each field's tag says in one line what the field does; Describe lists them.
type Switches struct {
	// Lists.
	RecordOffsets bool `meaning:"offset counts records, as Huawei's Terraform provider takes it, instead of pages, as documented"`
	MaxLimit      int  `meaning:"largest limit of the V1 lists; 0 means 100 (Open Telekom Cloud), Huawei Cloud's job list takes 1000"`
	TotalDelta    int  `meaning:"is added to the total of every list of jobs, scripts and resources, so that it lies"`
	SnakeScripts  bool `meaning:"rows of the V1 script list spell connection_name and create_user beside modifyTime, as in the OpenAPI example"`
	SnakeDepends  bool `meaning:"rows of the resource list spell depend_files, as in the OpenAPI example"`

	ListOmits            []string `meaning:"fields left out of rows of the V1 lists of scripts and resources, e.g. content; with the list before it (jobs.owner), of that list alone"`
	ListTruncatesContent int      `meaning:"content in rows of the V1 script list is cut after this many bytes; 0 means that it is whole"`
	ListMoves            int      `meaning:"before every n-th page that is not a list's first, the last row becomes the first: a row is listed twice and another never"`

	// Shapes.
	ResourceIDKey        string `meaning:"name of the id in rows of the resource list; empty means id, the Terraform provider reads resourceId"`
	HideResourceID       bool   `meaning:"Show Resource answers without the id, as in Open Telekom Cloud's example"`
	StringCreateTime     bool   `meaning:"createTime of Show Job is a string of digits instead of a number"`
	EmptyTagsAsObject    bool   `meaning:"Show Job spells a job without tags as basicConfig.tags {}, as in the documentation's example"`
	ScriptErrorsEnvelope bool   `meaning:"errors of the script API come as {\"errors\":[{...}]}, as the Terraform provider reads them"`
	WorkspaceCode20819   bool   `meaning:"an unknown workspace is DLF.20819 instead of DLF.0819"`

	// Exports.
	ExportUnsupported bool         `meaning:"Batch Exporting Jobs does not exist (404), like an API that is not published in the region"`
	ExportFails       int          `meaning:"every n-th batch export is answered with 500; 0 means none"`
	ExportTruncated   bool         `meaning:"the zip of a batch export lacks its second half, and Content-Length fits what is sent"`
	ExportLacks       []string     `meaning:"jobs that are left out of the zip of a batch export without a word"`
	ExportLayout      ExportLayout `meaning:"where a batch export keeps its jobs: jobs/x/x.job as documented (default), flat (jobs/x.job), nested (a DLF_x.zip for each) or odd (1.job, 2.job)"`
	ExportLimit       int          `meaning:"most jobs that a batch export takes; 0 means 100, as documented"`
	ExportMaxBytes    int          `meaning:"a batch export whose files are larger, unpacked, is refused with DLF.3051; 0 means that any size is served; import has 10 MB"`
	ExportOmits       []string     `meaning:"fields left out of exported jobs: basicConfig.customFields, nodes.retryTimes, or nodes[HiveSQL].pollingInterval for nodes of one type"`
	ExportBatchOnly   bool         `meaning:"a batch export that names a real-time job is refused with DLF.0136"`
	ExportForeign     bool         `meaning:"the first job's file in a batch export holds the definition of another job"`

	// Imports.
	ImportUnsupported bool     `meaning:"Importing a Job and Viewing a Job File do not exist (404), like APIs that are not published in the region"`
	ImportUnreadable  bool     `meaning:"the service cannot read any import file (DLF.0815), as where it has no right to the bucket"`
	ImportLacks       []string `meaning:"jobs that an import leaves out, though their subtasks are SUCCESSFUL"`
	ImportOmits       []string `meaning:"fields that an import drops from the jobs that it creates, spelled like those of ExportOmits"`
	ImportFails       bool     `meaning:"the task of an import ends FAILED as a whole, without subtasks, and nothing is imported"`
	ImportNeverEnds   bool     `meaning:"the task of an import is RUNNING for ever, though all of it is done"`
	ImportLater       bool     `meaning:"what an import brings appears only when its task has been reported as RUNNING for the last time (RunningPolls)"`
	ImportBareNames   bool     `meaning:"subtasks of an import are named like their assets, instead of Import the x job."`

	// Environment variables.
	EnvUnsupported bool      `meaning:"the environment API does not exist (404), as in regions that have only V1"`
	EnvMerge       bool      `meaning:"PUT of environment variables merges by name instead of replacing the list"`
	EnvAnswer      EnvAnswer `meaning:"how PUT of environment variables says that it worked: header (default), json or no-content"`

	// Connections.
	ConnectionsUnsupported bool `meaning:"Querying a Connection List does not exist (404), as it is to be taken offline"`

	// Rules.
	LooseNames           bool     `meaning:"jobs, scripts and resources may have names that only the console makes: blanks, +, %, brackets, anything but a slash"`
	RefuseUnknownKeys    bool     `meaning:"a job with a key that the API reference does not have is refused (400)"`
	RefuseNoNodes        bool     `meaning:"a job without nodes is refused with DLF.1006"`
	RefuseRunning        bool     `meaning:"changing and deleting a running job is refused (400)"`
	DirectoriesMustExist bool     `meaning:"an asset can only be created in a directory that exists, as in older versions, instead of the directory being made"`
	Review               bool     `meaning:"the workspace's review switch is on: create, import and delete need targetStatus and approvers"`
	HardLocks            []string `meaning:"jobs and scripts that somebody else has locked where the policy is hard: editing and deleting them is refused with DLF.6888, as far as is known"`
	ScriptLimit          int      `meaning:"largest script text in bytes; 0 means 4 MB, older versions had 64 KB"`
	JobQuota             int      `meaning:"jobs that a workspace may have; 0 means 10000"`
	RealTimeJobQuota     int      `meaning:"real-time jobs that a workspace may have; 0 means 500"`
	ScriptQuota          int      `meaning:"scripts that a workspace may have; 0 means 10000"`

	// Troubles.
	StaleReads   int           `meaning:"a write becomes visible only after this many reads of its workspace"`
	StaleFor     time.Duration `meaning:"a write becomes visible only after this time"`
	RateLimit    int           `meaning:"requests per second and host that are served before the gateway answers 429; 0 means any number"`
	RetryAfter   time.Duration `meaning:"Retry-After of a 429, in whole seconds; 0 means the header is missing"`
	Latency      time.Duration `meaning:"how long every call takes"`
	RunningPolls int           `meaning:"how many times a system task is reported as RUNNING before it has ended"`
}

// EnvAnswer is one of the ways in which PUT of environment variables may answer. The SDK declares headers, and decodes all three.
type EnvAnswer string

// The ways to answer.
const (
	EnvAnswerHeader    EnvAnswer = "header"     // 200, is_success and status_code as headers, no body; also the empty value
	EnvAnswerJSON      EnvAnswer = "json"       // 200, {"is_success":true,"status_code":200}
	EnvAnswerNoContent EnvAnswer = "no-content" // 204
)

// ExportLayout is a way to arrange the zip of Batch Exporting Jobs.
type ExportLayout string

// The layouts. Only the first is documented.
const (
	ExportDocumented ExportLayout = ""       // jobs/{job}/{job}.job and what the job needs beside it
	ExportFlat       ExportLayout = "flat"   // jobs/{job}.job, scripts/{script}.script, resources/{resource}.resource, as exporting one job has it
	ExportNested     ExportLayout = "nested" // DLF_{job}.zip for each job, inside as exporting one job has it
	ExportOdd        ExportLayout = "odd"    // 1.job, 2.job, ...: only the definitions tell whose they are
)

// SwitchDoc describes one field of Switches.
type SwitchDoc struct {
	Name, Type, Meaning string
}

// Describe lists all switches in the order in which they are declared, for the documentation.
func Describe() []SwitchDoc {
	var docs []SwitchDoc
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Switches]()) {
		docs = append(docs, SwitchDoc{Name: field.Name, Type: field.Type.String(), Meaning: field.Tag.Get("meaning")})
	}
	return docs
}

// orDefault returns a switch's value, or what its zero value means.
func orDefault(value, fallback int) int {
	if value == 0 {
		return fallback
	}
	return value
}
