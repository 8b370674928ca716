// Package world is the cloud that the benchmarks measure in: an emulated DataArts Factory in this process, whose every call takes a while and whose rate
// is limited, and a real S3 server, versitygw, in another. It counts what reaches both, and proves afterwards what was stored.
package world

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/bench/process"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/store/obs"
)

// What every world has.
const (
	AccessKey = "AKBENCH"
	SecretKey = "secret-of-the-benchmarks" //nolint:gosec // opens nothing
	ProjectID = "b384b9e9ab9b4ee8994c8633aabc9505"
	Workspace = "0dd3000000000000000000000000aaaa"
	Bucket    = "benchmarks"
	Region    = "us-east-1"
)

// World is one cloud. Its workspace is filled once and measured many times.
type World struct {
	DataArts *dataarts.Service
	StoreURL string
	index    *index
	gateway  *gateway
	store    *obs.Client
	v1, v2   *server
	folders  int
}

// server is an HTTP server on a port of this machine.
type server struct {
	url  string
	http *http.Server
}

func serve(handler http.Handler) (*server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://" + listener.Addr().String(), http: &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(os.Stderr, "", 0)}}
	go func() { _ = s.http.Serve(listener) }() // it ends with Close
	return s, nil
}

// New starts a world below dir. Close ends it.
func New(ctx context.Context, root, dir string) (*World, error) {
	path, err := process.GoTool(ctx, root, "versitygw")
	if err != nil {
		return nil, err
	}
	w := &World{}
	if w.gateway, err = startGateway(ctx, path, dir); err != nil {
		return nil, err
	}
	if err := w.start(); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (w *World) start() error {
	w.StoreURL = w.gateway.url
	if err := os.MkdirAll(filepath.Join(w.gateway.data, Bucket), 0o700); err != nil { // a directory is a bucket
		return err
	}
	keys := &iam.Keyring{}
	keys.Add(iam.Credentials{AccessKey: AccessKey, SecretKey: SecretKey})
	w.DataArts = dataarts.New(dataarts.Options{Keyring: keys, ProjectID: ProjectID, GetObject: w.object})
	w.DataArts.AddWorkspace(dataarts.Workspace{ID: Workspace, Name: "bench"})
	var err error
	if w.v1, err = serve(w.DataArts.V1()); err != nil {
		return err
	}
	if w.v2, err = serve(w.DataArts.V2()); err != nil {
		return err
	}
	w.store, err = obs.New(obs.Options{Endpoint: w.StoreURL, Region: Region, AccessKey: AccessKey, SecretKey: SecretKey})
	return err
}

// object reads an object for the emulated service, which imports from the bucket.
func (w *World) object(bucket, key string) ([]byte, error) {
	const most = 64 << 20
	data, _, err := store.ReadAll(context.Background(), w.store.Bucket(bucket), key, most)
	return data, err
}

// Close ends the world.
func (w *World) Close() {
	for _, s := range []*server{w.v1, w.v2} {
		if s != nil {
			_ = s.http.Close() // nothing is left to be lost
		}
	}
	if w.index != nil {
		_ = w.index.server.http.Close()
	}
	w.gateway.stop()
}

// Reset empties the workspace and sets how the service behaves.
func (w *World) Reset(switches dataarts.Switches) {
	w.DataArts.Workspace(Workspace).Wipe()
	w.DataArts.SetSwitches(func(s *dataarts.Switches) { *s = switches })
}

// Folder names a place in the bucket that nobody has written to.
func (w *World) Folder() string {
	w.folders++
	return fmt.Sprintf("run-%d", w.folders)
}

// Remove frees what a folder takes, without a request.
func (w *World) Remove(folder string) error {
	return os.RemoveAll(filepath.Join(w.gateway.data, Bucket, folder))
}

// Environment is what a program that writes to a folder has to know. rate is in requests per second.
func (w *World) Environment(folder string, rate int) []string {
	return []string{
		"DATAARTS_REGION=eu-de", "DATAARTS_PROJECT_ID=" + ProjectID, "DATAARTS_WORKSPACES=" + Workspace, "DATAARTS_ENDPOINT=" + w.v1.url,
		"DATAARTS_V2_ENDPOINT=" + w.v2.url, fmt.Sprintf("DATAARTS_RATE_LIMIT=%d", rate), "OBS_ENDPOINT=" + w.StoreURL,
		"BACKUP_LOCATION=obs://" + Bucket + "/" + folder, "HUAWEICLOUD_SDK_AK=" + AccessKey, "HUAWEICLOUD_SDK_SK=" + SecretKey, "LOG_LEVEL=warn",
	}
}

// Traffic is what reached the services in between.
type Traffic struct {
	Calls     int            // of DataArts that were served
	Throttled int            // of DataArts that were answered 429, on top of Calls
	Store     map[string]int // requests to the store, by operation
}

// StoreRequests is how many there were.
func (t Traffic) StoreRequests() int {
	n := 0
	for _, count := range t.Store {
		n += count
	}
	return n
}

// Watch counts what reaches the services until the function that it returns is called.
func (w *World) Watch() (func() (Traffic, error), error) {
	w.DataArts.ResetCalls()
	if w.index != nil {
		w.index.calls.Store(0)
	}
	_, from, err := w.gateway.requests(0)
	if err != nil {
		return nil, fmt.Errorf("read the store's log: %w", err)
	}
	return func() (Traffic, error) {
		var t Traffic
		for _, call := range w.DataArts.Calls() {
			if call.Status == http.StatusTooManyRequests {
				t.Throttled++
			} else {
				t.Calls++
			}
		}
		if w.index != nil {
			t.Calls += int(w.index.calls.Load())
		}
		var err error
		if t.Store, err = w.gateway.settled(from); err != nil {
			return t, fmt.Errorf("read the store's log: %w", err)
		}
		return t, nil
	}, nil
}

// ending is what the names of files of a kind end in.
func ending(kind dataarts.Kind) string {
	return map[dataarts.Kind]string{dataarts.Jobs: ".job", dataarts.Scripts: ".script", dataarts.Resources: ".resource"}[kind]
}

// plainName reports whether a name can stand in a path as it is.
func plainName(name string) bool { return !strings.ContainsAny(name, "/%?#") }
