// SPDX-License-Identifier: MIT

// GETs of one URL by net/http, so many at a time, on connections that are kept.
//
// usage: client_go URL REQUESTS AT_ONCE
//
// Prints one JSON object: answers with 200 and a body, seconds, and CPU seconds.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func get(client *http.Client, url string) bool {
	answer, err := client.Get(url)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return err == nil && answer.StatusCode == 200 && len(body) > 0
}

func main() {
	left, _ := strconv.ParseInt(os.Args[2], 10, 64)
	atOnce, _ := strconv.Atoi(os.Args[3])
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConns: atOnce, MaxIdleConnsPerHost: atOnce, MaxConnsPerHost: atOnce}}
	var good int64
	var all sync.WaitGroup
	cpu, from := cpuSeconds(), time.Now()
	for i := 0; i < atOnce; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for atomic.AddInt64(&left, -1) >= 0 {
				if get(client, os.Args[1]) {
					atomic.AddInt64(&good, 1)
				}
			}
		}()
	}
	all.Wait()
	fmt.Printf("{\"good\": %d, \"seconds\": %.6f, \"cpu\": %.6f}\n", good, time.Since(from).Seconds(), cpuSeconds()-cpu)
}
