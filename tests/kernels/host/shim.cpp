// SPDX-License-Identifier: Apache-2.0
//
// Runs a kernel on the host. Every CUDA thread of a block is a fiber with a stack of its own, and a
// barrier switches to another one. Blocks run one after the other in an order drawn from the seed;
// within a block the next thread is drawn from all that may run. So a thread goes on as far as its
// next barrier while others have not begun: where a barrier is missing, the result is wrong.
//
// A block whose threads can never meet again (one has left or waits elsewhere) is an error. Dynamic
// shared memory holds garbage before each block and is poisoned past its size for AddressSanitizer;
// what a block leaves in it is counted.
//
// swapcontext makes a system call for the signal mask each time (0.4 us a round trip); the
// compiler's own setjmp and longjmp do not (0.04 us). Those of the C library would do as well, but
// AddressSanitizer's version of longjmp forgets what is poisoned on the stack that is left. A
// context only starts a fiber. This file is compiled without sanitizers; their hooks are weak, and
// there where the sanitizer's runtime is.

#include "shim.h"

#include <cstring>
#include <mutex>
#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "launch.h"

extern "C" {
__attribute__((weak)) void __sanitizer_start_switch_fiber(void** fake, const void* stack, size_t);
__attribute__((weak)) void __sanitizer_finish_switch_fiber(void* fake, const void** stack, size_t*);
__attribute__((weak)) void __asan_poison_memory_region(const volatile void*, size_t);
__attribute__((weak)) void __asan_unpoison_memory_region(const volatile void*, size_t);

// The bounds of every __shared__ variable of this library, made by the linker.
__attribute__((weak, visibility("hidden"))) extern uint8_t __start_cuda_shared[];
__attribute__((weak, visibility("hidden"))) extern uint8_t __stop_cuda_shared[];
}

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace {

constexpr size_t STACK_BYTES = 64 * 1024;
constexpr size_t SHARED_BYTES = 227 * 1024;  // the most that any target has
constexpr unsigned BLOCK_THREADS = 1024;
constexpr unsigned WARP = 32;

struct Place {
    const char* file;
    int line;
    bool operator==(const Place& other) const { return file == other.file && line == other.line; }
};

enum class State { ready, at_warp, at_part, at_block, gone };

struct Jump {
    void* words[5];
};

struct Fiber {
    ucontext_t context;
    Jump where;
    uint8_t* stack = nullptr;
    void* fake_stack = nullptr;
    bool started = false;
    unsigned number = 0;
    State state = State::ready;
    Place place{};
};

// splitmix64
struct Random {
    uint64_t state;
    uint64_t next() {
        uint64_t x = state += 0x9E3779B97F4A7C15u;
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
        x = (x ^ x >> 27) * 0x94D049BB133111EBu;
        return x ^ x >> 31;
    }
    size_t below(size_t count) { return next() % count; }
};

std::mutex launching;
std::string error;
size_t residue;
Random order;

std::vector<Fiber> fibers(BLOCK_THREADS);
std::vector<Fiber*> ready;
unsigned threads;

struct Barrier {
    unsigned waiting = 0;
    shim::Votes votes, result;
    void arrive(unsigned vote) {
        waiting++;
        votes.sum += vote;
        votes.bits |= vote;
    }
    void open() {
        result = votes;
        waiting = 0;
        votes = {};
    }
};

Barrier of_block, of_warp[BLOCK_THREADS / WARP];

Fiber* running;
const shim::Kernel* kernel;
void** kernel_arguments;
Jump scheduler;
void* scheduler_fake_stack;
const void* scheduler_stack;
size_t scheduler_stack_bytes;
alignas(1024) uint8_t shared_memory[SHARED_BYTES];

std::vector<shim::Kernel>& kernels() {
    static std::vector<shim::Kernel> all;
    return all;
}

const shim::Kernel* find(const char* name) {
    for (const auto& one : kernels())
        if (std::strcmp(one.name, name) == 0) return &one;
    return nullptr;
}

[[noreturn]] void refuse(const std::string& why) { throw std::runtime_error(why); }

void poison(const void* at, size_t bytes) {
    if (__asan_poison_memory_region) __asan_poison_memory_region(at, bytes);
}

void unpoison(const void* at, size_t bytes) {
    if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(at, bytes);
}

// ---- fibers -------------------------------------------------------------------------------------

// The compiler wants this in a function of its own.
[[noreturn, gnu::noinline]] void jump(Jump& to) { __builtin_longjmp(to.words, 1); }

// From the running fiber to the scheduler; returns when the scheduler resumes this fiber.
[[gnu::noinline]] void suspend() {
    Fiber& self = *running;
    if (__sanitizer_start_switch_fiber)
        __sanitizer_start_switch_fiber(&self.fake_stack, scheduler_stack, scheduler_stack_bytes);
    if (__builtin_setjmp(self.where.words) == 0) jump(scheduler);
    if (__sanitizer_finish_switch_fiber)
        __sanitizer_finish_switch_fiber(self.fake_stack, &scheduler_stack, &scheduler_stack_bytes);
}

// A fiber serves one thread of a block after the other, for ever.
void fiber_main() {
    if (__sanitizer_finish_switch_fiber)
        __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_bytes);
    for (;;) {
        kernel->call(kernel_arguments);
        running->state = State::gone;
        suspend();
    }
}

// The lowest page of a stack is a guard.
uint8_t* new_stack() {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    void* memory = mmap(nullptr, page + STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE) != 0) throw std::bad_alloc();
    return static_cast<uint8_t*>(memory) + page;
}

void begin(Fiber& fiber) {
    if (!fiber.stack) fiber.stack = new_stack();
    unpoison(fiber.stack, STACK_BYTES);  // a launch that failed may have left frames there
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack;
    fiber.context.uc_stack.ss_size = STACK_BYTES;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, fiber_main, 0);
    fiber.fake_stack = nullptr;
    fiber.started = true;
    setcontext(&fiber.context);
}

uint3 index_of(unsigned number) {
    return {number % blockDim.x, number / blockDim.x % blockDim.y,
            number / (blockDim.x * blockDim.y)};
}

// From the scheduler to a fiber; returns when that fiber suspends.
[[gnu::noinline]] void resume(Fiber& fiber) {
    running = &fiber;
    threadIdx = index_of(fiber.number);
    if (__sanitizer_start_switch_fiber)
        __sanitizer_start_switch_fiber(&scheduler_fake_stack, fiber.stack, STACK_BYTES);
    if (__builtin_setjmp(scheduler.words) == 0) {
        if (fiber.started) jump(fiber.where);
        begin(fiber);
    }
    if (__sanitizer_finish_switch_fiber)
        __sanitizer_finish_switch_fiber(scheduler_fake_stack, nullptr, nullptr);
}

// ---- barriers -----------------------------------------------------------------------------------

// The running thread waits for those from `first` on. If it is the last of them, and all wait at one
// and the same place, they may go on.
shim::Votes meet(Barrier& barrier, unsigned first, unsigned count, State state, Place place,
                 unsigned vote) {
    running->state = state;
    running->place = place;
    barrier.arrive(vote);
    bool together = barrier.waiting == count;
    for (unsigned i = first; i < first + count && together; i++)
        together = fibers[i].state == state && fibers[i].place == place;
    if (together) {
        barrier.open();
        for (unsigned i = first; i < first + count; i++) {
            fibers[i].state = State::ready;
            ready.push_back(&fibers[i]);
        }
    }
    suspend();
    return barrier.result;
}

}  // namespace

shim::Votes shim::block_barrier(unsigned vote, const char* file, int line) {
    return meet(of_block, 0, threads, State::at_block, {file, line}, vote);
}

shim::Votes shim::warp_barrier(unsigned mask, unsigned vote, const char* file, int line) {
    const unsigned warp = running->number / WARP, first = warp * WARP;
    const unsigned lanes = threads - first < WARP ? threads - first : WARP;
    // A barrier of some lanes only is not modelled: nobody lets this thread go on.
    const State state = mask == 0xFFFFFFFFu ? State::at_warp : State::at_part;
    return meet(of_warp[warp], first, state == State::at_warp ? lanes : 0, state, {file, line}, vote);
}

void* shim::dynamic_shared() { return shared_memory; }

shim::Registration::Registration(const Kernel& one) { kernels().push_back(one); }

namespace {

// ---- a block ------------------------------------------------------------------------------------

void fill_with_garbage(uint8_t* from, uint8_t* to) {
    for (; from < to; from++) *from = static_cast<uint8_t>(order.next() | 1);
}

void write_thread(std::ostream& out, const Fiber& fiber) {
    const uint3 at = index_of(fiber.number);
    out << "thread (" << at.x << ", " << at.y << ", " << at.z << ") ";
    if (fiber.state == State::gone)
        out << "has ended";
    else
        out << "waits at " << fiber.place.file << ":" << fiber.place.line;
}

// Names one thread that waits and one that is elsewhere.
[[noreturn]] void report_divergence() {
    const Fiber* stuck = nullptr;
    for (unsigned i = 0; i < threads && !stuck; i++)
        if (fibers[i].state != State::gone) stuck = &fibers[i];
    const Fiber* other = nullptr;
    for (unsigned i = 0; i < threads; i++)
        if (fibers[i].state != stuck->state || !(fibers[i].place == stuck->place)) {
            other = &fibers[i];
            if (i / WARP == stuck->number / WARP) break;  // of the same warp says more
        }
    std::ostringstream out;
    out << "barrier divergence in block (" << blockIdx.x << ", " << blockIdx.y << ", "
        << blockIdx.z << "): ";
    write_thread(out, *stuck);
    if (other) {
        out << " while ";
        write_thread(out, *other);
    } else {
        out << ": a barrier of some lanes only is not modelled";
    }
    refuse(out.str());
}

// The threads that may run are drawn from at random, or the latest to become ready goes first: then
// one warp is far ahead of the others.
Fiber& draw_next(bool latest_first) {
    const size_t warp_of_latest = latest_first && ready.size() > WARP ? ready.size() - WARP : 0;
    const size_t at = warp_of_latest + order.below(ready.size() - warp_of_latest);
    std::swap(ready[at], ready.back());
    Fiber& fiber = *ready.back();
    ready.pop_back();
    return fiber;
}

void run_block(size_t shared_bytes) {
    fill_with_garbage(shared_memory, shared_memory + shared_bytes);
    fill_with_garbage(__start_cuda_shared, __stop_cuda_shared);
    of_block = {};
    for (Barrier& barrier : of_warp) barrier = {};
    ready.clear();
    for (unsigned i = 0; i < threads; i++) {
        fibers[i].number = i;
        fibers[i].state = State::ready;
        ready.push_back(&fibers[i]);
    }
    const bool latest_first = order.next() & 1;
    while (!ready.empty()) resume(draw_next(latest_first));
    for (unsigned i = 0; i < threads; i++)
        if (fibers[i].state != State::gone) report_divergence();
    size_t left = 0;
    for (size_t i = 0; i < shared_bytes; i++) left += shared_memory[i] != 0;
    residue = left > residue ? left : residue;
}

std::vector<uint3> shuffled_blocks() {
    std::vector<uint3> blocks;
    for (unsigned z = 0; z < gridDim.z; z++)
        for (unsigned y = 0; y < gridDim.y; y++)
            for (unsigned x = 0; x < gridDim.x; x++) blocks.push_back({x, y, z});
    for (size_t i = blocks.size(); i > 1; i--) std::swap(blocks[i - 1], blocks[order.below(i)]);
    return blocks;
}

void launch(const char* name, dim3 grid, dim3 block, size_t shared_bytes) {
    kernel = find(name);
    if (!kernel) refuse(std::string("no kernel called ") + name);
    const uint64_t in_block = uint64_t{block.x} * block.y * block.z;
    if (in_block == 0 || in_block > BLOCK_THREADS) refuse("a block has 1 to 1024 threads");
    if (uint64_t{grid.x} * grid.y * grid.z == 0) refuse("the grid is empty");
    if (shared_bytes > SHARED_BYTES) refuse("too much dynamic shared memory");
    gridDim = grid;
    blockDim = block;
    threads = static_cast<unsigned>(in_block);
    for (unsigned i = 0; i < threads; i++)
        if (!fibers[i].stack) fibers[i].stack = new_stack();
    poison(shared_memory + shared_bytes, SHARED_BYTES - shared_bytes);
    for (const uint3& one : shuffled_blocks()) {
        blockIdx = one;
        run_block(shared_bytes);
    }
}

}  // namespace

int shim_parameters(const char* name, const size_t** sizes) {
    const shim::Kernel* found = find(name);
    if (!found) return -1;
    *sizes = found->sizes;
    return found->parameters;
}

int shim_launch(const char* name, const unsigned* grid, const unsigned* block, size_t shared_bytes,
                void** arguments, uint64_t seed) {
    const std::lock_guard<std::mutex> alone(launching);
    order.state = seed;
    residue = 0;
    kernel_arguments = arguments;
    bool done = false;
    try {
        launch(name, {grid[0], grid[1], grid[2]}, {block[0], block[1], block[2]}, shared_bytes);
        done = true;
    } catch (const std::exception& why) {
        error = why.what();
        for (auto& fiber : fibers) fiber.started = false;  // those that wait are given up
    }
    unpoison(shared_memory, SHARED_BYTES);
    return done ? 0 : 1;
}

const char* shim_error() { return error.c_str(); }

size_t shim_residue() { return residue; }
