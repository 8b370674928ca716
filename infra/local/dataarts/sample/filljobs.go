package sample

import (
	"fmt"
	"slices"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

func layers() []string { return []string{"ods", "dwd", "dws", "ads"} }

// fillJobs makes one real-time job and spreads the others over the layers, lower layers first.
func (f *filler) fillJobs() error {
	if f.jobs == 0 {
		return nil
	}
	if err := f.put(dataarts.Jobs, f.realTimeJob()); err != nil {
		return err
	}
	perLayer := (f.jobs + 2) / 4
	for i := range f.jobs - 1 {
		layer := min(i/max(perLayer, 1), 3)
		name := fmt.Sprintf("%s_%s_df", layers()[layer], subject(len(f.layers[layer])))
		if err := f.put(dataarts.Jobs, f.job(layer, name)); err != nil {
			return err
		}
		f.layers[layer] = append(f.layers[layer], name)
		if layer == 3 {
			f.w.SetJobStatus(name, "SCHEDULING")
		}
	}
	return nil
}

func (f *filler) realTimeJob() object {
	return object{"name": "rt_clickstream", "directory": "/rt", "processType": "REAL_TIME", "basicConfig": basic("stream_owner", 2),
		"schedule": object{"type": "EVENT", "event": object{"eventType": "KAFKA", "channel": "clicks", "failPolicy": "SUSPEND", "concurrent": 4, "readPolicy": "LAST"}},
		"nodes":    []object{node("stream", "MRSFlinkJob", 0, nil, "clusterName", "mrs_prod", "jobName", "clickstream", "resourcePath", "obs://dlf-prod/resources/flink.jar")}}
}

// job is a job of a layer. From the second layer on it waits for one or two jobs of the layer below.
func (f *filler) job(layer int, name string) object {
	hour, minute := layer+1, f.random.IntN(60)
	cron := object{
		"startTime": "2026-01-01T00:00:00+08", "endTime": "2036-12-31T23:59:59+08", "expression": fmt.Sprintf("0 %d %d * * ?", minute, hour),
		"expressionTimeZone": "Asia/Shanghai", "intervalType": "days", "dependPrePeriod": layer == 0,
	}
	if layer > 0 && len(f.layers[layer-1]) > 0 {
		below := f.layers[layer-1]
		first := f.random.IntN(len(below))
		upstream := []string{below[first]}
		if second := f.random.IntN(len(below)); second != first {
			upstream = append(upstream, below[second])
		}
		var same []object
		for _, job := range upstream {
			same = append(same, object{"dependOnLastPeriod": false, "jobName": job})
		}
		cron["dependJobs"] = object{"jobs": upstream, "dependPeriod": "SAME_PERIOD", "dependFailPolicy": "FAIL", "sameWorkSpaceJobs": same}
	}
	return object{
		"name": name, "directory": "/" + layers()[layer], "processType": "BATCH", "logPath": "obs://dlf-log-prod/", "description": "",
		"emptyRunningJob": "0", "cleanOverdueDays": 60, "singleNodeJobFlag": false,
		"params": []object{
			{"name": "dt", "value": `#{DateUtil.format(Job.planTime,"yyyyMMdd")}`, "type": "variable"},
			{"name": "layer", "value": layers()[layer], "type": "constants"},
		},
		"basicConfig": basic("data_dev", f.random.IntN(3)),
		"schedule":    object{"type": "CRON", "cron": cron},
		"nodes":       f.nodes(layer, name),
	}
}

func basic(owner string, priority int) object {
	return object{"owner": owner, "priority": priority, "executeUser": "", "instanceTimeout": 60, "customFields": object{}, "agency": "dlf_agency",
		"isIgnoreWaiting": 0, "tags": []string{"daily"}}
}

// nodes are what jobs of a layer do: they load, transform, aggregate and publish.
func (f *filler) nodes(layer int, job string) []object {
	nodes := []object{node("start", "Dummy", 0, nil)}
	switch layer {
	case 0:
		nodes = append(nodes, node("load", "CDMJob", 1, []string{"start"},
			"jobType", "existsJob", "clusterName", "cdm-prod", "clusterId", "c0ffee00-0000-4000-8000-000000000001", "jobName", job))
	case 1:
		nodes = append(nodes, f.sqlNode("transform", "start", 1, "HiveSQL", "mrs_hive_prod", "dwd"))
		if len(f.jars) > 0 {
			nodes = append(nodes, node("enrich", "MRSSpark", 2, []string{"transform"}, "clusterName", "mrs_prod", "jobName", job+"_spark",
				"resourcePath", f.jars[f.random.IntN(len(f.jars))], "parameters", "--dt ${dt}"))
		}
	case 2:
		nodes = append(nodes, f.sqlNode("aggregate", "start", 1, "DLISQL", "dli_prod", "dws"), f.sqlNode("clean", "aggregate", 2, "Shell", "ecs_agent", ""))
	case 3:
		nodes = append(nodes, f.sqlNode("publish", "start", 1, "DWSSQL", "dws_prod", "ads"))
		if below := f.layers[2]; len(below) > 0 {
			nodes = append(nodes, node("again", "SubJob", 2, []string{"publish"}, "jobName", below[f.random.IntN(len(below))]))
		}
		nodes = append(nodes, node("tell", "RESTAPI", 3, []string{nodes[len(nodes)-1]["name"].(string)}, "url", "https://hooks.example.invalid/data?a=1&b=2",
			"method", "POST", "headers", "Content-Type=application/json\nX-Job="+job, "body", `{"job":"`+job+`","ok":true}`, "agentName", "cdm-prod"))
	}
	return nodes
}

// sqlNode runs a script of the node's type, or a statement where there is none.
func (f *filler) sqlNode(name, after string, place int, kind, connection, database string) object {
	properties := []string{"connectionName", connection}
	if database != "" {
		properties = append(properties, "database", database)
	}
	if kind == "DLISQL" {
		properties = append(properties, "queueName", "default")
	}
	fits := slices.DeleteFunc(slices.Clone(f.written), func(s script) bool { return s.kind != kind })
	if len(fits) > 0 {
		properties = append(properties, "scriptName", fits[f.random.IntN(len(fits))].name, "statementOrScript", "SCRIPT", "scriptArgs", "dt=${dt}")
	} else {
		properties = append(properties, "statementOrScript", "STATEMENT", "statement", "SELECT 1 WHERE 1 <> 2;")
	}
	return node(name, kind, place, []string{after}, properties...)
}

// node makes a node with properties given as names and values in turn.
func node(name, kind string, place int, after []string, properties ...string) object {
	list := []object{}
	for pair := range slices.Chunk(properties, 2) {
		list = append(list, object{"name": pair[0], "value": pair[1]})
	}
	if after == nil {
		after = []string{}
	}
	return object{"name": name, "type": kind, "location": object{"x": fmt.Sprintf("%d.5", 150*place-300), "y": "-134.5"}, "preNodeName": after, "properties": list,
		"pollingInterval": 20, "maxExecutionTime": 360, "retryTimes": 0, "retryInterval": 120, "failPolicy": "FAIL_CHILD"}
}
