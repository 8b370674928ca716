package dataarts

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Kind is a kind of asset in a workspace.
type Kind string

// The kinds.
const (
	Env         Kind = "env"
	Resources   Kind = "resources"
	Scripts     Kind = "scripts"
	Jobs        Kind = "jobs"
	Connections Kind = "connections"
)

// Workspace describes a workspace of the instance.
type Workspace struct {
	ID, Name    string
	Description string
	// IsDefault marks the workspace that requests without a workspace header mean.
	IsDefault bool
	// LogLocation is where jobs write their logs, obs://...; exports to OBS need it.
	LogLocation string
}

// workspace is the state of one. The service's lock guards it.
type workspace struct {
	info        Workspace
	shelves     map[Kind]*shelf
	directories map[Kind]map[string]bool
	runs        map[string]*run            // of jobs, by name
	tags        map[string][]string        // of jobs, set through V2
	dependents  map[string]map[string]bool // names of the jobs that depend on a job
	paths       map[string]string          // ids of resources, by directory and name
	reads       int
}

func newWorkspace(info Workspace) *workspace {
	return &workspace{
		info:        info,
		shelves:     map[Kind]*shelf{Env: {}, Resources: {}, Scripts: {}, Jobs: {}, Connections: {}},
		directories: map[Kind]map[string]bool{Resources: {}, Scripts: {}, Jobs: {}},
		runs:        map[string]*run{}, tags: map[string][]string{},
		dependents: map[string]map[string]bool{}, paths: map[string]string{},
	}
}

// set records an asset, or its deletion (nil), and keeps what is derived from it.
func (ws *workspace) set(kind Kind, key string, a *asset, record func(*shelf)) {
	shelf := ws.shelves[kind]
	old := shelf.current(key)
	if old != nil {
		switch kind {
		case Jobs:
			for _, name := range old.facts.depends {
				delete(ws.dependents[name], key)
			}
		case Resources:
			delete(ws.paths, path(old.directory, old.name))
		}
	}
	record(shelf)
	if a == nil {
		if kind == Jobs {
			delete(ws.runs, key)
			delete(ws.tags, key)
		}
		return
	}
	switch kind {
	case Jobs:
		for _, name := range a.facts.depends {
			if ws.dependents[name] == nil {
				ws.dependents[name] = map[string]bool{}
			}
			ws.dependents[name][key] = true
		}
	case Resources:
		ws.paths[path(a.directory, a.name)] = a.id
	}
	if made := ws.directories[kind]; made != nil {
		for d := a.directory; d != "/" && d != ""; d = d[:strings.LastIndexByte(d, '/')] {
			made[d] = true
		}
	}
}

// find returns the workspace with an id, or the default one for an empty id; nil for none. The caller holds the lock.
func (s *Service) find(id string) *workspace {
	for _, ws := range s.workspaces {
		if ws.info.ID == id || id == "" && ws.info.IsDefault {
			return ws
		}
	}
	return nil
}

// AddWorkspace adds an empty workspace and returns it; adding an id again returns the one there is.
func (s *Service) AddWorkspace(info Workspace) *WorkspaceHandle {
	s.mu.Lock()
	defer s.mu.Unlock()
	ws := s.find(info.ID)
	if ws == nil || info.ID == "" {
		ws = newWorkspace(info)
		s.workspaces = append(s.workspaces, ws)
	}
	return &WorkspaceHandle{s: s, ws: ws}
}

// Workspace returns the workspace with an id, nil if there is none.
func (s *Service) Workspace(id string) *WorkspaceHandle {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ws := s.find(id); ws != nil {
		return &WorkspaceHandle{s: s, ws: ws}
	}
	return nil
}

// WorkspaceHandle reaches into a workspace without HTTP, rules and delays, for tests and demonstrations.
//
// Where it takes or returns an identity, that is the name of a job, script or connection, the directory and name of a resource
// ("/jars/udf", "/udf" in the root), and "env" for the list of environment variables.
type WorkspaceHandle struct {
	s  *Service
	ws *workspace
}

// Info returns the workspace's description.
func (w *WorkspaceHandle) Info() Workspace { return w.ws.info }

// Put seeds an asset, or replaces the one of its identity, exactly as given: rules of the API (references, limits, names) are not checked, what
// the server owns (id, version, users, times) is set as the service would. An error means that raw is not a JSON object with a name.
func (w *WorkspaceHandle) Put(kind Kind, raw []byte) error {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if !isObject(raw) {
		return fmt.Errorf("put %s: not a JSON object", kind)
	}
	text := definition(kind, raw)
	a := &asset{text: text, version: 1, name: text2string(text, "name"), facts: read(text), createUser: "admin", modifyUser: "admin"}
	a.directory = cleanDirectory(text2string(text, "directory"))
	key := a.name
	switch kind {
	case Env:
		a.name, key = "env", "env"
	case Resources:
		a.id = w.ws.paths[path(a.directory, a.name)]
		if a.id == "" {
			a.id = w.s.newID()
		}
		key = a.id
	}
	if a.name == "" {
		return fmt.Errorf("put %s: it has no name", kind)
	}
	old := w.ws.shelves[kind].current(key)
	w.s.succeed(a, old, kind)
	if kind == Jobs {
		a.submitted = text
		if w.ws.runs[key] == nil {
			w.ws.runs[key] = &run{status: statusStopped}
		}
	}
	w.ws.set(kind, key, a, func(s *shelf) { s.seed(key, a) })
	return nil
}

// AddConnection adds a data connection, e.g. {"name":"dws_prod","type":"DWS","config":{...}}. Passwords in its config are shown masked.
func (w *WorkspaceHandle) AddConnection(raw []byte) error { return w.Put(Connections, raw) }

// AddDirectory makes a directory and those above it, for the switch DirectoriesMustExist.
func (w *WorkspaceHandle) AddDirectory(kind Kind, directory string) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	for d := cleanDirectory(directory); d != "/" && d != ""; d = d[:strings.LastIndexByte(d, '/')] {
		w.ws.directories[kind][d] = true
	}
}

// Asset returns an asset's JSON text as the API shows it, without what the server owns.
func (w *WorkspaceHandle) Asset(kind Kind, identity string) (json.RawMessage, bool) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if a := w.current(kind, identity); a != nil {
		return w.shown(kind, a), true
	}
	return nil, false
}

// current returns the asset of an identity as writers see it, nil for none. The caller holds the lock.
func (w *WorkspaceHandle) current(kind Kind, identity string) *asset {
	if kind == Resources {
		identity = w.ws.paths[identity]
	}
	return w.ws.shelves[kind].current(identity)
}

func (w *WorkspaceHandle) shown(kind Kind, a *asset) json.RawMessage {
	if kind == Jobs {
		return slices.Clone(oddTags(a.text, w.s.switches))
	}
	return slices.Clone(a.text)
}

// All returns the assets of a kind by identity, each as Asset does. Two workspaces whose All are equal hold the same.
func (w *WorkspaceHandle) All(kind Kind) map[string]json.RawMessage {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	found := map[string]json.RawMessage{}
	for _, a := range w.ws.shelves[kind].all() {
		found[identity(kind, a)] = w.shown(kind, a)
	}
	return found
}

// ID returns the id that the service gave an asset.
func (w *WorkspaceHandle) ID(kind Kind, id string) (string, bool) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if a := w.current(kind, id); a != nil {
		return a.id, true
	}
	return "", false
}

// Delete removes an asset and reports whether it was there.
func (w *WorkspaceHandle) Delete(kind Kind, id string) bool {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	a := w.current(kind, id)
	if a == nil {
		return false
	}
	key := storeKey(kind, a)
	w.ws.set(kind, key, nil, func(s *shelf) { s.seed(key, nil) })
	return true
}

// Move gives an asset another place in the lists, counted from 0 among all of its kind, as if the service had no order of its own. Between two pages
// (see Service.Intercept) a row that moves back is listed twice and pushes another off, one that moves forward is missed. It reports whether there
// is such an asset.
func (w *WorkspaceHandle) Move(kind Kind, id string, place int) bool {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	a := w.current(kind, id)
	return a != nil && w.ws.shelves[kind].move(storeKey(kind, a), place)
}

// Wipe empties the workspace: what remains are its description and its connections, which a backup does not hold.
func (w *WorkspaceHandle) Wipe() {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	fresh := newWorkspace(w.ws.info)
	fresh.shelves[Connections] = w.ws.shelves[Connections]
	fresh.reads = w.ws.reads
	*w.ws = *fresh
}

// SetJobStatus puts a job into a status ("SCHEDULING", "STOPPED", "PAUSED", "NORMAL"...) as if it had been started or stopped. It reports whether there
// is such a job.
func (w *WorkspaceHandle) SetJobStatus(name, status string) bool {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	r := w.ws.runs[name]
	if r == nil {
		return false
	}
	if status != statusStopped && r.started.IsZero() {
		r.started = w.s.now()
	}
	r.status = status
	return true
}

// JobStatus returns a job's status, empty if there is no such job.
func (w *WorkspaceHandle) JobStatus(name string) string {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if r := w.ws.runs[name]; r != nil {
		return r.status
	}
	return ""
}

func identity(kind Kind, a *asset) string {
	if kind == Resources {
		return path(a.directory, a.name)
	}
	return a.name
}

func storeKey(kind Kind, a *asset) string {
	if kind == Resources {
		return a.id
	}
	return a.name
}

// path is a resource's directory and name in one.
func path(directory, name string) string {
	if directory == "/" || directory == "" {
		return "/" + name
	}
	return directory + "/" + name
}
