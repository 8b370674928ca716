package world

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// Stored is what a run left in the bucket.
type Stored struct {
	Objects int // that were listed
	Equal   int // assets, and files of resources, that were read back and are what the service has
	Want    int // how many of them there are in the service
}

// Whole reports whether everything was stored as it is.
func (s Stored) Whole() bool { return s.Equal == s.Want }

func noCondition() store.Condition { return store.Condition{} }

// Check lists a folder, reads every object in it back and compares it with the asset in the service. What lies there twice counts once.
func (w *World) Check(ctx context.Context, folder string) (Stored, error) {
	fail := func(err error) (Stored, error) { return Stored{}, fmt.Errorf("check %s: %w", folder, err) }
	bucket := w.store.Bucket(Bucket)
	var keys []string
	if err := bucket.List(ctx, folder+"/", "", func(info store.Info) error { keys = append(keys, info.Key); return nil }); err != nil {
		return fail(err)
	}
	handle := w.DataArts.Workspace(Workspace)
	stored := Stored{Objects: len(keys)}
	wanted := map[dataarts.Kind]map[string]json.RawMessage{}
	for _, kind := range []dataarts.Kind{dataarts.Jobs, dataarts.Scripts, dataarts.Resources, dataarts.Env} {
		wanted[kind] = handle.All(kind)
		stored.Want += len(wanted[kind])
		if kind == dataarts.Resources {
			stored.Want += len(wanted[kind]) // the file of each
		}
	}
	var equal sync.Map // of identities
	var problem atomic.Pointer[error]
	work := make(chan string)
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for key := range work {
				identity, err := compare(ctx, bucket, key, wanted)
				if err != nil {
					problem.CompareAndSwap(nil, &err)
				} else if identity != "" {
					equal.Store(identity, true)
				}
			}
		})
	}
	for _, key := range keys {
		work <- key
	}
	close(work)
	workers.Wait()
	if err := problem.Load(); err != nil {
		return fail(*err)
	}
	equal.Range(func(any, any) bool { stored.Equal++; return true })
	return stored, nil
}

// compare reads one object and returns whose it is if it holds exactly that; "" if it is nobody's or holds something else.
func compare(ctx context.Context, bucket store.Store, key string, wanted map[dataarts.Kind]map[string]json.RawMessage) (string, error) {
	body, _, err := bucket.Get(ctx, key)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(body)
	_ = body.Close()
	if err != nil {
		return "", err
	}
	if strings.Contains(key, ".files/") {
		_, file, _ := strings.Cut(key, ".files/")
		name := file[strings.LastIndexByte(file, '/')+1:]
		location := "obs://" + Bucket + "/files/" + name
		if bytes.Equal(data, fileBody(location)) {
			return location, nil
		}
		return "", nil
	}
	kind := kindOf(key)
	if kind == "" {
		return "", nil
	}
	got, err := decode(data)
	if err != nil {
		return "", nil //nolint:nilerr // it is nobody's
	}
	identity, _ := got["name"].(string)
	switch kind {
	case dataarts.Env:
		identity = "env"
	case dataarts.Resources:
		at, _ := got["directory"].(string)
		identity = strings.TrimSuffix(at, "/") + "/" + identity
	}
	raw, ok := wanted[kind][identity]
	if !ok {
		return "", nil
	}
	want, err := decode(raw)
	if err != nil {
		return "", err
	}
	for name, value := range got {
		if _, ok := want[name]; !ok && slices.Contains(serverOwned(), name) {
			continue
		}
		if !reflect.DeepEqual(value, want[name]) {
			return "", nil
		}
	}
	for name := range want {
		if _, ok := got[name]; !ok {
			return "", nil
		}
	}
	return string(kind) + " " + identity, nil
}

func kindOf(key string) dataarts.Kind {
	for _, kind := range []dataarts.Kind{dataarts.Jobs, dataarts.Scripts, dataarts.Resources} {
		if strings.HasSuffix(key, ending(kind)) {
			return kind
		}
	}
	if strings.HasSuffix(key, "/env.json") {
		return dataarts.Env
	}
	return ""
}

// serverOwned are fields that only the service sets: they may be stored or not.
func serverOwned() []string {
	return []string{"id", "resourceId", "createTime", "createUser", "version", "lastUpdateUser", "lastUpdateTime", "downstreamJobs", "modifyUser", "modifyTime",
		"owner", "jobRelation"}
}

func decode(data []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return nil, err
	}
	return fields, nil
}
