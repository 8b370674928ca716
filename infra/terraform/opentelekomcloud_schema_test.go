package terraform_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// shape is what a resource or a block may hold: schemaprovider/opentelekomcloud.schema says how it is written down.
type shape struct {
	attributes map[string]attributeShape
	blocks     map[string]*shape
	min, max   int // how often the block is there; max 0 is any number
}

type attributeShape struct {
	kind               string // string, number, bool, list(string), …
	required, settable bool
}

func newShape() *shape {
	return &shape{attributes: map[string]attributeShape{}, blocks: map[string]*shape{}}
}

// readShapes reads the schemas of the provider's resources.
func readShapes(t *testing.T) map[string]*shape {
	t.Helper()
	text, err := os.ReadFile("schemaprovider/opentelekomcloud.schema")
	if err != nil {
		t.Fatal(err)
	}
	// Of Terraform itself.
	builtIn := newShape()
	builtIn.attributes["input"] = attributeShape{kind: "any", settable: true}
	shapes := map[string]*shape{"terraform_data": builtIn}
	var open []*shape
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		depth := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		open = open[:depth]
		switch {
		case depth == 0:
			open = append(open, newShape())
			shapes[fields[1]] = open[0]
		case fields[0] == "block":
			inside := newShape()
			inside.min, _ = strconv.Atoi(fields[3])
			inside.max, _ = strconv.Atoi(fields[4])
			open[depth-1].blocks[fields[1]] = inside
			open = append(open, inside)
		default:
			open[depth-1].attributes[fields[0]] = attributeShape{kind: fields[1], required: fields[2] == "required", settable: fields[2] != "computed"}
		}
	}
	return shapes
}

// hold says what of a body its shape does not allow. meta are arguments that belong to Terraform.
func (s *shape) hold(where string, body *hclsyntax.Body, meta ...string) []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, where+": "+fmt.Sprintf(format, args...)) }
	for name := range body.Attributes {
		if a, known := s.attributes[name]; slices.Contains(meta, name) {
			continue
		} else if !known {
			fault("there is no argument %s", name)
		} else if !a.settable {
			fault("%s is the provider's", name)
		}
	}
	for name, a := range s.attributes {
		if _, set := body.Attributes[name]; a.required && !set {
			fault("%s is missing", name)
		}
	}
	times, open := map[string]int{}, map[string]bool{}
	for _, block := range body.Blocks {
		name, inside := block.Type, block.Body
		if name == "lifecycle" && slices.Contains(meta, "lifecycle") {
			continue
		}
		if name == "dynamic" {
			name = block.Labels[0]
			open[name] = true
			for _, content := range inside.Blocks {
				inside = content.Body
			}
		}
		times[name]++
		if s.blocks[name] == nil {
			fault("there is no block %s", name)
			continue
		}
		faults = append(faults, s.blocks[name].hold(where+"."+name, inside)...)
	}
	for name, b := range s.blocks {
		if n := times[name]; n < b.min || b.max > 0 && n > b.max && !open[name] {
			fault("the block %s is there %d times", name, n)
		}
	}
	return faults
}

// bodies are the files of the module.
func bodies(t *testing.T, dir string) []*hclsyntax.Body {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	var all []*hclsyntax.Body
	for _, name := range files {
		file, problem := hclparse.NewParser().ParseHCLFile(name)
		if problem.HasErrors() {
			t.Fatal(problem)
		}
		all = append(all, file.Body.(*hclsyntax.Body))
	}
	return all
}

// traversals are all references in a body, e.g. var.region or opentelekomcloud_lts_group_v2.functions.id.
func traversals(body *hclsyntax.Body) []hcl.Traversal {
	var all []hcl.Traversal
	for _, a := range body.Attributes {
		all = append(all, a.Expr.Variables()...)
	}
	for _, b := range body.Blocks {
		all = append(all, traversals(b.Body)...)
	}
	return all
}

// names are the first steps of a reference that have names, without keys and indexes.
func names(reference hcl.Traversal) []string {
	var all []string
	for _, step := range reference {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			all = append(all, step.Name)
		case hcl.TraverseAttr:
			all = append(all, step.Name)
		}
	}
	return all
}

func TestOpenTelekomCloud_ItSaysNothingThatTheProviderDoesNotKnow(t *testing.T) {
	t.Parallel()
	shapes := readShapes(t)
	used := map[string]bool{}
	for _, body := range bodies(t, openTelekomCloud) {
		for _, block := range body.Blocks {
			if block.Type != "resource" {
				continue
			}
			kind := block.Labels[0]
			used[kind] = true
			if shapes[kind] == nil {
				t.Errorf("there is no resource %s", kind)
				continue
			}
			for _, fault := range shapes[kind].hold(kind+"."+block.Labels[1], block.Body, "count", "for_each", "provider", "lifecycle") {
				t.Error(fault)
			}
		}
	}
	for kind := range shapes {
		if !used[kind] {
			t.Errorf("the schema of %s is not used any more", kind)
		}
	}
}

func TestOpenTelekomCloud_WhatItSaysHasTheProvidersTypes(t *testing.T) {
	t.Parallel()
	shapes := readShapes(t)
	for address, r := range otcPlanned(t, otcMany()).Resources {
		for _, fault := range shapes[strings.Split(address, ".")[0]].types(address, r) {
			t.Error(fault)
		}
	}
}

// types says which values are not of the types that the shape has.
func (s *shape) types(where string, values map[string]any) []string {
	var faults []string
	for name, value := range values {
		if inside := s.blocks[name]; inside != nil {
			for _, one := range value.([]any) {
				faults = append(faults, inside.types(where+"."+name, one.(map[string]any))...)
			}
			continue
		}
		// What has no kind is none of the resource's: the plan gives every resource what some provider would.
		if kind := s.attributes[name].kind; kind != "" && !fits(kind, value) {
			faults = append(faults, fmt.Sprintf("%s.%s is %v, want a %s", where, name, value, kind))
		}
	}
	return faults
}

func fits(kind string, value any) bool {
	var ok bool
	switch outer, inner, _ := strings.Cut(strings.TrimSuffix(kind, ")"), "("); {
	case value == nil || kind == "any":
		return true
	case outer == "list" || outer == "set":
		all, isList := value.([]any)
		return isList && !slices.ContainsFunc(all, func(one any) bool { return !fits(inner, one) })
	case outer == "map":
		all, isMap := value.(map[string]any)
		return isMap && !slices.ContainsFunc(slices.Collect(maps.Values(all)), func(one any) bool { return !fits(inner, one) })
	case kind == "string":
		_, ok = value.(string)
	case kind == "number":
		_, ok = value.(float64)
	case kind == "bool":
		_, ok = value.(bool)
	}
	return ok
}

func TestOpenTelekomCloud_ItsReferencesLeadSomewhere(t *testing.T) {
	t.Parallel()
	shapes := readShapes(t)
	declared, asked := map[string]bool{}, map[string]bool{}
	all := bodies(t, openTelekomCloud)
	for _, body := range all {
		for _, block := range body.Blocks {
			switch block.Type {
			case "variable":
				declared["var."+block.Labels[0]] = true
			case "locals":
				for name := range block.Body.Attributes {
					declared["local."+name] = true
				}
			case "resource":
				declared[strings.Join(block.Labels, ".")] = true
			}
		}
	}
	for _, body := range all {
		for _, block := range body.Blocks {
			if block.Type == "terraform" {
				continue
			}
			for _, reference := range traversals(block.Body) {
				path := names(reference)
				if len(path) < 2 || path[0] != "var" && path[0] != "local" && shapes[path[0]] == nil {
					continue // each, path, the iterators of dynamic blocks, and the names inside of for expressions
				}
				if name := path[0] + "." + path[1]; !declared[name] {
					t.Errorf("%s: there is no %s", reference.SourceRange(), name)
				} else if block.Type != "variable" { // a variable's validation does not use it
					asked[name] = true
				}
				if kind := shapes[path[0]]; kind != nil && len(path) > 2 && kind.blocks[path[2]] == nil && kind.attributes[path[2]].kind == "" {
					t.Errorf("%s: %s has no %s", reference.SourceRange(), path[0], path[2])
				}
			}
		}
	}
	for name := range declared {
		if !asked[name] && (strings.HasPrefix(name, "var.") || strings.HasPrefix(name, "local.")) {
			t.Errorf("nothing uses %s", name)
		}
	}
}
