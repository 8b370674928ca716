package world

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

// Contents are what a workspace is filled with.
type Contents struct {
	Jobs, RealTime     int // RealTime of the jobs are real-time jobs
	Scripts, Resources int
	Variables          int
	ScriptBytes        int // of each script's text; 0 means that a script has about 3 KB in all, like everything else
}

// Size is how many assets there are. The environment variables are one.
func (c Contents) Size() int {
	n := c.Jobs + c.Scripts + c.Resources
	if c.Variables > 0 {
		n++
	}
	return n
}

type object map[string]any

// Fill fills the workspace. Every resource points to a file in the bucket.
func (w *World) Fill(ctx context.Context, c Contents) error {
	handle := w.DataArts.Workspace(Workspace)
	put := func(kind dataarts.Kind, o object) error {
		raw, err := json.Marshal(o)
		if err != nil {
			return err
		}
		return handle.Put(kind, raw)
	}
	for i := range c.Jobs {
		if err := put(dataarts.Jobs, job(i, i >= c.Jobs-c.RealTime)); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	for i := range c.Scripts {
		if err := put(dataarts.Scripts, script(i, c.ScriptBytes)); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	bucket := w.store.Bucket(Bucket)
	for i := range c.Resources {
		key := fmt.Sprintf("files/etl_%03d.jar", i)
		location := "obs://" + Bucket + "/" + key
		if err := put(dataarts.Resources, object{"name": fmt.Sprintf("etl_%03d", i), "type": "jar", "directory": "/jars", "location": location,
			"desc": strings.Repeat("the library of the nightly load. ", 7), "dependFiles": []string{}}); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
		if _, err := bucket.Put(ctx, key, fileBody(location), noCondition()); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	if c.Variables == 0 {
		return nil
	}
	params := make([]object, c.Variables)
	for i := range params {
		params[i] = object{"name": fmt.Sprintf("variable_%03d", i), "type": "variable", "value": fmt.Sprintf("value of %d", i), "desc": ""}
	}
	return put(dataarts.Env, object{"params": params})
}

// fileBody is what the file at a location holds.
func fileBody(location string) []byte {
	return []byte(strings.Repeat(location+"\n", 64))
}

func directory(i int) string {
	return fmt.Sprintf("/%s/area_%02d", []string{"ods", "dwd", "dws", "ads"}[i%4], i/4%25)
}

// job has three nodes and about 3 KB.
func job(i int, realTime bool) object {
	processType := "BATCH"
	if realTime {
		processType = "REAL_TIME"
	}
	var nodes []object
	before := []string{}
	for n, kind := range []string{"Shell", "HiveSQL", "DWSSQL"} {
		name := fmt.Sprintf("step_%d_%s", n+1, strings.ToLower(kind))
		nodes = append(nodes, object{"name": name, "type": kind, "location": object{"x": fmt.Sprintf("%d.5", 100*n), "y": "-45.5"}, "preNodeName": before,
			"conditions": []object{}, "pollingInterval": 20, "maxExecutionTime": 360, "retryTimes": 0, "retryInterval": 120, "failPolicy": "FAIL_CHILD",
			"properties": []object{
				{"name": "connectionName", "value": strings.ToLower(kind) + "_prod"}, {"name": "database", "value": "dwd"},
				{"name": "statementOrScript", "value": "STATEMENT"},
				{"name": "statement", "value": fmt.Sprintf("-- %s of job %d\n%s", name, i, strings.Repeat("INSERT OVERWRITE TABLE dwd.orders SELECT * FROM ods.orders;\n", 8))},
			}})
		before = []string{name}
	}
	return object{"name": fmt.Sprintf("job_%05d", i), "nodes": nodes, "processType": processType, "directory": directory(i), "singleNodeJobFlag": false,
		"schedule": object{"type": "CRON", "cron": object{"expression": "0 0 1 * * ?", "expressionTimeZone": "GMT+8", "startTime": "2026-01-01T00:00:00+08",
			"intervalType": "days", "dependPrePeriod": false}},
		"params": []object{{"name": "dt", "value": "#{Job.planTime}", "type": "variable"}}, "logPath": "obs://dlf-log/",
		"basicConfig": object{"owner": "data_team", "priority": 1, "executeUser": "etl", "instanceTimeout": 60, "customFields": object{"area": i % 25}}}
}

func script(i, size int) object {
	const line = "SELECT order_id, customer_id, amount FROM ods.orders WHERE dt = '${dt}' AND region <> 'test'; -- & kept\n"
	if size == 0 {
		size = 2700
	}
	text := fmt.Sprintf("-- script %d\n", i)
	text += strings.Repeat(line, size/len(line)+1)
	return object{"name": fmt.Sprintf("script_%05d", i), "type": "HiveSQL", "directory": directory(i), "connectionName": "hivesql_prod", "database": "dwd",
		"description": "loads one table", "configuration": object{}, "content": text[:size]}
}
