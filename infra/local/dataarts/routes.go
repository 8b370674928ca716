package dataarts

import (
	"net/http"
	"net/url"
	"strings"
)

// Operation is an API by the name that Huawei Cloud's SDK gives it.
type Operation string

// The operations of host V1.
const (
	ListJobs        Operation = "ListJobs"
	ShowJob         Operation = "ShowJob"
	CreateJob       Operation = "CreateJob"
	UpdateJob       Operation = "UpdateJob"
	DeleteJob       Operation = "DeleteJob"
	StartJob        Operation = "StartJob"
	StopJob         Operation = "StopJob"
	ShowJobStatus   Operation = "ShowJobStatus"
	ExportJob       Operation = "ExportJob"
	ExportJobList   Operation = "ExportJobList"
	ShowFileInfo    Operation = "ShowFileInfo"
	ImportJob       Operation = "ImportJob"
	ShowSystemTask  Operation = "ShowSystemTask"
	ListScripts     Operation = "ListScripts"
	ShowScript      Operation = "ShowScript"
	CreateScript    Operation = "CreateScript"
	UpdateScript    Operation = "UpdateScript"
	DeleteScript    Operation = "DeleteScript"
	ListResources   Operation = "ListResources"
	ShowResource    Operation = "ShowResource"
	CreateResource  Operation = "CreateResource"
	UpdateResource  Operation = "UpdateResource"
	DeleteResource  Operation = "DeleteResource"
	ListConnections Operation = "ListConnections"
	ShowConnection  Operation = "ShowConnection"
)

// The operations of host V2.
const (
	ShowFactoryEnv          Operation = "ShowFactoryEnv"
	CreateFactoryEnv        Operation = "CreateFactoryEnv" // PUT
	ListFactoryJobs         Operation = "ListFactoryJobs"
	UpdateFactoryJobName    Operation = "UpdateFactoryJobName"
	CreateFactoryJobTags    Operation = "CreateFactoryJobTags"
	ListFactoryScripts      Operation = "ListFactoryScripts"
	ListDataArtsInstances   Operation = "ListDataArtsStudioInstances"
	ListManagerWorkSpaces   Operation = "ListManagerWorkSpaces"
	ShowManagementWorkSpace Operation = "ShowWorkSpace"
)

// route is one API: {} in its path stands for one segment, the first for the project id.
type route struct {
	method, path string
	op           Operation
	workspace    bool // needs one
	export       bool // wants Content-Type even without a body
	handle       func(*request) (reply, error)
}

func routesV1() []route {
	const get, post, put, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	return []route{
		{get, "/v1/{}/jobs", ListJobs, true, false, (*request).listJobs},
		{post, "/v1/{}/jobs", CreateJob, true, false, (*request).createJob},
		{post, "/v1/{}/jobs/batch-export", ExportJobList, true, true, (*request).exportJobs},
		{post, "/v1/{}/jobs/check-file", ShowFileInfo, true, false, (*request).checkFile},
		{post, "/v1/{}/jobs/import", ImportJob, true, false, (*request).importJobs},
		{get, "/v1/{}/jobs/{}", ShowJob, true, false, (*request).showJob},
		{put, "/v1/{}/jobs/{}", UpdateJob, true, false, (*request).updateJob},
		{del, "/v1/{}/jobs/{}", DeleteJob, true, false, (*request).deleteJob},
		{post, "/v1/{}/jobs/{}/start", StartJob, true, false, (*request).startJob},
		{post, "/v1/{}/jobs/{}/stop", StopJob, true, false, (*request).stopJob},
		{get, "/v1/{}/jobs/{}/status", ShowJobStatus, true, false, (*request).showJobStatus},
		{post, "/v1/{}/jobs/{}/export", ExportJob, true, true, (*request).exportJob},
		{get, "/v1/{}/system-tasks/{}", ShowSystemTask, true, false, (*request).showTask},
		{get, "/v1/{}/scripts", ListScripts, true, false, (*request).listScripts},
		{post, "/v1/{}/scripts", CreateScript, true, false, (*request).createScript},
		{get, "/v1/{}/scripts/{}", ShowScript, true, false, (*request).showScript},
		{put, "/v1/{}/scripts/{}", UpdateScript, true, false, (*request).updateScript},
		{del, "/v1/{}/scripts/{}", DeleteScript, true, false, (*request).deleteScript},
		{get, "/v1/{}/resources", ListResources, true, false, (*request).listResources},
		{post, "/v1/{}/resources", CreateResource, true, false, (*request).createResource},
		{get, "/v1/{}/resources/{}", ShowResource, true, false, (*request).showResource},
		{put, "/v1/{}/resources/{}", UpdateResource, true, false, (*request).updateResource},
		{del, "/v1/{}/resources/{}", DeleteResource, true, false, (*request).deleteResource},
		{get, "/v1/{}/connections", ListConnections, true, false, (*request).listConnections},
		{get, "/v1/{}/connections/{}", ShowConnection, true, false, (*request).showConnection},
	}
}

func routesV2() []route {
	const get, post, put = http.MethodGet, http.MethodPost, http.MethodPut
	return []route{
		{get, "/v2/{}/factory/env", ShowFactoryEnv, true, false, (*request).showEnv},
		{put, "/v2/{}/factory/env", CreateFactoryEnv, true, false, (*request).putEnv},
		{get, "/v2/{}/factory/jobs", ListFactoryJobs, true, false, (*request).listFactoryJobs},
		{put, "/v2/{}/factory/jobs/{}/rename", UpdateFactoryJobName, true, false, (*request).renameJob},
		{post, "/v2/{}/factory/jobs/{}/tags", CreateFactoryJobTags, true, false, (*request).tagJob},
		{get, "/v2/{}/factory/scripts", ListFactoryScripts, true, false, (*request).listFactoryScripts},
		{get, "/v1/{}/instances", ListDataArtsInstances, false, false, (*request).listInstances},
		{get, "/v1/{}/workspaces/{}", ListManagerWorkSpaces, false, false, (*request).listWorkspaces},
		{get, "/v1/{}/workspaces/{}/{}", ShowManagementWorkSpace, false, false, (*request).showWorkspace},
	}
}

// match returns the route of a request and the values of its {}, or a route without an operation. A segment is decoded by itself, so a
// name may hold an encoded slash.
func match(routes []route, method, escapedPath string) (route, []string) {
	segments := strings.Split(escapedPath, "/")
next:
	for _, candidate := range routes {
		pattern := strings.Split(candidate.path, "/")
		if method != candidate.method || len(pattern) != len(segments) {
			continue
		}
		var args []string
		for i, want := range pattern {
			if want != "{}" {
				if segments[i] != want {
					continue next
				}
				continue
			}
			value, err := url.PathUnescape(segments[i])
			if err != nil || value == "" {
				continue next
			}
			args = append(args, value)
		}
		return candidate, args
	}
	return route{}, nil
}
