// Package asset holds the nouns of a DataArts Factory workspace as a backup sees them: the four kinds of asset, how one is
// referred to, the one object key that every legal name has, and which fields of an asset only the server sets.
//
// An asset's definition is JSON text as the API returned it. This package never turns it into a struct: the service sends
// more fields than its documentation and its SDK know, and a backup that drops one of them is not a backup.
package asset

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// Kind is one of the four kinds of asset in a backup. Its text is what stands in manifests, reports and requests.
type Kind string

// The kinds, in the order in which they are restored (a job needs its scripts, a script its environment variables).
const (
	Env       Kind = "env"
	Resources Kind = "resources"
	Scripts   Kind = "scripts"
	Jobs      Kind = "jobs"
)

// Kinds returns all kinds in restore order.
func Kinds() []Kind { return []Kind{Env, Resources, Scripts, Jobs} }

// ParseKind returns the kind that text names.
func ParseKind(text string) (Kind, error) {
	for _, k := range Kinds() {
		if string(k) == text {
			return k, nil
		}
	}
	return "", fmt.Errorf("kind %q: want one of env, resources, scripts, jobs", text)
}

// Singular is the kind as one asset of it is called in messages: "job", "script", "resource", "environment variables".
func (k Kind) Singular() string {
	switch k {
	case Env:
		return "environment variables"
	case Resources:
		return "resource"
	case Scripts:
		return "script"
	case Jobs:
		return "job"
	}
	return string(k)
}

// Count is so many assets of the kind, as messages say it: "1 job", "3 scripts", "1 environment variable".
func (k Kind) Count(n int) string {
	one := strings.TrimSuffix(k.Singular(), "s") // environment variables have no singular as one asset
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// EnvName is the name under which the whole list of environment variables stands as one asset.
const EnvName = "env"

// Ref names one asset of a workspace.
//
// Jobs and scripts are unique by name in the whole workspace; a resource is unique by name in its directory.
type Ref struct {
	Kind Kind
	Name string
	// Directory is the asset's directory without a trailing slash ("/", "/ods/orders"). It is part of a resource's
	// identity; for jobs and scripts it only says where they lie.
	Directory string
}

// Identity is the part of a Ref that makes it unique in its workspace, usable as a map key.
func (r Ref) Identity() Ref {
	if r.Kind != Resources {
		r.Directory = ""
	}
	return r
}

// String is how messages name an asset: `job "ods_orders"`, `resource "/jars/udf"`.
func (r Ref) String() string {
	switch r.Kind {
	case Env:
		return r.Kind.Singular()
	case Resources:
		return fmt.Sprintf("%s %q", r.Kind.Singular(), joinDirectory(r.Directory, r.Name))
	}
	return fmt.Sprintf("%s %q", r.Kind.Singular(), r.Name)
}

func joinDirectory(directory, name string) string {
	if directory == "" || directory == "/" {
		return "/" + name
	}
	return directory + "/" + name
}

// CleanDirectory brings a directory as the API spells it in one place or another ("", "/test/", "/test") to one form
// without a trailing slash; the root is "/".
func CleanDirectory(directory string) string {
	for len(directory) > 1 && directory[len(directory)-1] == '/' {
		directory = directory[:len(directory)-1]
	}
	if directory == "" {
		return "/"
	}
	return directory
}

// FileLocations lists the files that a resource's definition points to, each once: location, dependFiles and dependPackages, in either spelling that
// the API is known to use.
func FileLocations(definition []byte) []string {
	var locations []string
	add := func(text []byte) {
		if s, ok := rawjson.String(text); ok && s != "" && !slices.Contains(locations, s) {
			locations = append(locations, s)
		}
	}
	for name, span := range rawjson.Members(definition) {
		value := span.In(definition)
		switch name {
		case "location":
			add(value)
		case "dependFiles", "depend_files":
			for e := range rawjson.Elements(value) {
				add(e.In(value))
			}
		case "dependPackages", "depend_packages":
			for e := range rawjson.Elements(value) {
				if location, ok := rawjson.Path(e.In(value), "location"); ok {
					add(location)
				}
			}
		}
	}
	return locations
}
