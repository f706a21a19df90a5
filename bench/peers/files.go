// SPDX-License-Identifier: MIT

// Small files as Go programs write and read them: os.WriteFile and os.ReadFile, by one goroutine or
// several. Prints lines: name, unit, value.
//
// usage: files_go GOROUTINES FOLDER COUNT [write|read]
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const fileBytes = 1024

var content = bytes.Repeat([]byte{'k'}, fileBytes)

func die(what error) {
	fmt.Fprintln(os.Stderr, "files_go:", what)
	os.Exit(1)
}

func writeFile(path string) error {
	return os.WriteFile(path, content, 0o666)
}

func readFile(path string) error {
	got, err := os.ReadFile(path)
	if err == nil && len(got) != fileBytes {
		err = fmt.Errorf("%s: %d bytes", path, len(got))
	}
	return err
}

// Each goroutine takes the next file that is left.
func measure(unit string, goroutines, count int, folder string, one func(path string) error) {
	var next atomic.Int64
	var group sync.WaitGroup
	work := func() {
		defer group.Done()
		for i := next.Add(1) - 1; i < int64(count); i = next.Add(1) - 1 {
			path := filepath.Join(folder, strconv.FormatInt(i, 10)+".txt")
			if err := one(path); err != nil {
				die(err)
			}
		}
	}
	start := time.Now()
	group.Add(goroutines)
	for i := 1; i < goroutines; i++ {
		go work()
	}
	work()
	group.Wait()
	micros := float64(time.Since(start).Nanoseconds()) / 1e3
	fmt.Printf("go\t%s\t%.3f\n", unit, micros/float64(count))
}

func main() {
	if len(os.Args) != 4 && len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: files_go GOROUTINES FOLDER COUNT [write|read]")
		os.Exit(2)
	}
	goroutines, err := strconv.Atoi(os.Args[1])
	if err != nil || goroutines < 1 {
		die(fmt.Errorf("goroutines: a number from 1 on"))
	}
	count, err := strconv.Atoi(os.Args[3])
	if err != nil {
		die(err)
	}
	side := ""
	if len(os.Args) == 5 {
		side = os.Args[4]
	}
	if side != "read" {
		measure("write us", goroutines, count, os.Args[2], writeFile)
	}
	if side != "write" {
		measure("read us", goroutines, count, os.Args[2], readFile)
	}
}
