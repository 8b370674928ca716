package sample

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

// Options say how much there is to be. A zero field means its default.
type Options struct {
	Jobs      int // 24
	Scripts   int // 16
	Resources int // 6
	Seed      uint64
}

// Fill adds jobs, scripts, resources, environment variables and connections to a workspace. Every asset obeys the rules of the API, and
// jobs come after the jobs they depend on; one job is a real-time job. Jobs of the ads layer are scheduled.
func Fill(w *dataarts.WorkspaceHandle, opts Options) error {
	f := filler{w: w, random: rand.New(rand.NewPCG(opts.Seed, 0xda7a)),
		jobs: fallback(opts.Jobs, 24), scripts: fallback(opts.Scripts, 16), resources: fallback(opts.Resources, 6)}
	for _, step := range []func() error{f.connections, f.env, f.fillResources, f.fillScripts, f.fillJobs} {
		if err := step(); err != nil {
			return fmt.Errorf("fill workspace %s: %w", w.Info().ID, err)
		}
	}
	return nil
}

func fallback(value, otherwise int) int {
	if value == 0 {
		return otherwise
	}
	return value
}

type filler struct {
	w                        *dataarts.WorkspaceHandle
	random                   *rand.Rand
	jobs, scripts, resources int

	jars    []string // locations
	written []script
	layers  [4][]string // names of jobs
}

type script struct{ name, kind string }

// object is a JSON object for encoding/json, whose keys come out in alphabetical order like the console's.
type object map[string]any

func (f *filler) put(kind dataarts.Kind, o object) error {
	raw, err := encode(o)
	if err != nil {
		return err
	}
	return f.w.Put(kind, raw)
}

func encode(o object) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(o); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

func (f *filler) connections() error {
	for _, c := range []struct{ name, kind string }{
		{"mrs_hive_prod", "HIVE"}, {"mrs_spark_prod", "SPARKSQL"}, {"dws_prod", "DWS"}, {"dli_prod", "DLI"}, {"ecs_agent", "HOST"},
	} {
		if err := f.put(dataarts.Connections, object{"name": c.name, "type": c.kind, "config": object{
			"clusterName": c.name + "_cluster", "userName": "dbadmin", "password": "not shown", "kmsKey": "cdm-dlf", "agentName": "cdm-prod", "sslEnable": false,
		}}); err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) env() error {
	return f.put(dataarts.Env, object{"params": []object{
		{"name": "env_bucket", "type": "variable", "value": "dlf-prod", "desc": "bucket of the data lake"},
		{"name": "hive_db", "type": "variable", "value": "dwd"},
		{"name": "month", "type": "constant", "value": `"05"`, "desc": ""},
		{"name": "dt", "type": "variable", "value": `#{DateUtil.format(DateUtil.addDays(Job.planTime,-1),"yyyyMMdd")}`},
		{"name": "alarm_url", "type": "constant", "value": "https://hooks.example.invalid/data?a=1&b=2"},
	}})
}

func subjects() []string {
	return []string{"orders", "customers", "payments", "products", "inventory", "shipments", "refunds", "clicks", "coupons", "stores", "suppliers", "returns"}
}

// subject is the i-th subject, numbered from the second round on.
func subject(i int) string {
	all := subjects()
	if round := i / len(all); round > 0 {
		return fmt.Sprintf("%s_%d", all[i%len(all)], round+1)
	}
	return all[i]
}

func (f *filler) fillResources() error {
	for i := range f.resources {
		name, kind, directory, end := fmt.Sprintf("etl_%03d", i), "jar", "/jars", ".jar"
		if i%3 == 2 {
			kind, directory, end = "file", "/conf/spark", ".properties"
		}
		location := "obs://dlf-prod/resources/" + name + end
		o := object{"name": name, "type": kind, "location": location, "desc": "version 1." + fmt.Sprint(i), "directory": directory, "dependFiles": []string{}}
		if kind == "jar" {
			f.jars = append(f.jars, location)
			o["dependFiles"] = []string{"obs://dlf-prod/resources/lib/common.jar"}
			o["dependPackages"] = []object{{"type": "jar", "location": "obs://dlf-prod/resources/lib/common.jar"}}
		}
		if err := f.put(dataarts.Resources, o); err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) fillScripts() error {
	kinds := []struct{ kind, layer, connection, database string }{
		{"HiveSQL", "dwd", "mrs_hive_prod", "dwd"}, {"DWSSQL", "ads", "dws_prod", "ads"}, {"DLISQL", "dws", "dli_prod", "dws"},
		{"Shell", "ods", "ecs_agent", ""}, {"SparkSQL", "dws", "mrs_spark_prod", "dws"}, {"PYTHON", "ods", "ecs_agent", ""},
	}
	for i := range f.scripts {
		k := kinds[i%len(kinds)]
		s := script{fmt.Sprintf("%s_%s_%s", k.layer, subject(i/len(kinds)), strings.ToLower(k.kind)), k.kind}
		table := k.layer + "." + subject(i/len(kinds))
		content := fmt.Sprintf("-- %s\nINSERT OVERWRITE TABLE %s PARTITION (dt='${dt}')\nSELECT *\nFROM ods.%s\nWHERE amount >= %d AND region <> 'test' -- & kept\n;\n",
			s.name, table, subject(i/len(kinds)), f.random.IntN(100))
		switch k.kind {
		case "Shell":
			content = fmt.Sprintf("#!/bin/bash\nset -e\nobsutil cp obs://${env_bucket}/in/%s /data/%s -r -f && echo \"done: $1\"\n", table, table)
		case "PYTHON":
			content = fmt.Sprintf("#!/usr/bin/env python3\nimport sys\nprint('%s', sys.argv[1:])\n", table)
		}
		o := object{"name": s.name, "type": k.kind, "content": content, "directory": "/" + k.layer, "connectionName": k.connection,
			"description": "", "configuration": object{}}
		if k.database != "" {
			o["database"] = k.database
		}
		if k.kind == "DLISQL" {
			o["queueName"] = "default"
			o["configuration"] = object{"dli.sql.autoBroadcastJoinThreshold": "209715200"}
		}
		if err := f.put(dataarts.Scripts, o); err != nil {
			return err
		}
		f.written = append(f.written, s)
	}
	return nil
}
