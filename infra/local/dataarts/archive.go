package dataarts

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"io"
	"strconv"
	"strings"
)

// This file is the zip of an export: where each file lies in it. Builders run without the service's lock; what they read is never changed.

// archive collects the files of a zip, each once.
type archive struct {
	seen  map[string]bool
	names []string
	texts [][]byte
}

func (a *archive) add(name string, text []byte) {
	if a.seen[name] {
		return
	}
	if a.seen == nil {
		a.seen = map[string]bool{}
	}
	a.seen[name] = true
	a.names, a.texts = append(a.names, name), append(a.texts, text)
}

func (a *archive) bytes() ([]byte, error) {
	var out bytes.Buffer
	writer := zip.NewWriter(&out)
	// Compression is most of what an export costs: the quickest is good enough, and its megabyte of tables serves all files, one after the other.
	compressor, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	writer.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		compressor.Reset(w)
		return compressor, nil
	})
	for i, name := range a.names {
		file, err := writer.Create(name)
		if err != nil {
			return nil, err
		}
		if _, err := file.Write(a.texts[i]); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// flatArchive has a folder for each kind, as the zip of one job has.
func flatArchive(jobs []exported) func() ([]byte, error) {
	return func() ([]byte, error) {
		var files archive
		for _, e := range jobs {
			files.add("jobs/"+e.job.name+".job", e.text)
			for _, a := range e.scripts {
				files.add("scripts/"+a.name+".script", a.text)
			}
			for _, a := range e.resources {
				files.add("resources/"+a.name+".resource", a.text)
			}
		}
		return files.bytes()
	}
}

// batchArchive arranges the zip of several jobs.
func batchArchive(jobs []exported, layout ExportLayout) func() ([]byte, error) {
	switch layout {
	case ExportFlat:
		return flatArchive(jobs)
	case ExportNested:
		return nestedArchive(jobs)
	}
	return func() ([]byte, error) {
		var files archive
		for i, e := range jobs {
			folder, name := "jobs/"+e.job.name+"/", e.job.name
			if layout == ExportOdd {
				folder, name = "", strconv.Itoa(i+1)
			}
			files.add(folder+name+".job", e.text)
			for _, a := range e.scripts {
				files.add(folder+a.name+".script", a.text)
			}
			for _, a := range e.resources {
				files.add(folder+a.name+".resource", a.text)
			}
		}
		return files.bytes()
	}
}

// nestedArchive has the zip of one job for each.
func nestedArchive(jobs []exported) func() ([]byte, error) {
	return func() ([]byte, error) {
		var files archive
		for _, e := range jobs {
			inner, err := flatArchive([]exported{e})()
			if err != nil {
				return nil, err
			}
			files.add("DLF_"+e.job.name+".zip", inner)
		}
		return files.bytes()
	}
}

// half is a zip without its second half, where its directory would be.
func half(build func() ([]byte, error)) func() ([]byte, error) {
	return func() ([]byte, error) {
		data, err := build()
		return data[:len(data)/2], err
	}
}

// omit returns an object's text without the field that a path leads to. On its way through an array the path goes into every object, with
// nodes[Shell] into every one of type Shell.
func omit(text []byte, path []string) []byte {
	name, kind, typed := strings.Cut(path[0], "[")
	kind = strings.TrimSuffix(kind, "]")
	if len(path) == 1 {
		return without(text, []string{name})
	}
	value, at, ok := lookup(text, name)
	switch {
	case ok && value[0] == '{':
		return replaceValue(text, at, omit(value, path[1:]))
	case ok && value[0] == '[':
		var out []byte
		end := 0
		for _, span := range elements(value) {
			element := value[span[0]:span[1]]
			if element[0] == '{' && (!typed || text2string(element, "type") == kind) {
				element = omit(element, path[1:])
			}
			out = append(append(out, value[end:span[0]]...), element...)
			end = span[1]
		}
		return replaceValue(text, at, append(out, value[end:]...))
	}
	return text
}
