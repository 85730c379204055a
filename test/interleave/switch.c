// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the engine's stack to an actor's and back. What a call preserves is pushed onto the stack
 * that is left, so that stack and stack pointer are all that there is to save.
 */
#include <stddef.h>
#include <string.h>

#include "internal.h"

void *il_switched_stack;

/* The engine's stack pointer while an actor runs. */
void *il_switch_engine;

#if defined(__x86_64__)

/* rbp, rbx, r12 .. r15, and the address of return. */
enum { SAVED = 6 };

asm(".text\n"
    ".globl il_switch_to\n"
    ".type il_switch_to, @function\n"
    "il_switch_to:\n"
    "	pushq %rbp\n"
    "	pushq %rbx\n"
    "	pushq %r12\n"
    "	pushq %r13\n"
    "	pushq %r14\n"
    "	pushq %r15\n"
    "	movq %rsp, il_switch_engine(%rip)\n"
    "	movq %rdi, %rsp\n"
    "	movq il_trapped_result(%rip), %rax\n"
    "	jmp .Lil_switch_pop\n"
    ".globl il_switch_back\n"
    ".type il_switch_back, @function\n"
    "il_switch_back:\n"
    "	pushq %rbp\n"
    "	pushq %rbx\n"
    "	pushq %r12\n"
    "	pushq %r13\n"
    "	pushq %r14\n"
    "	pushq %r15\n"
    "	movq %rsp, il_switched_stack(%rip)\n"
    "	movq il_switch_engine(%rip), %rsp\n"
    ".Lil_switch_pop:\n"
    "	popq %r15\n"
    "	popq %r14\n"
    "	popq %r13\n"
    "	popq %r12\n"
    "	popq %rbx\n"
    "	popq %rbp\n"
    "	ret\n");

void *il_switch_new(void *top, void (*start)(void))
{
	/* The stack pointer is 8 bytes off a multiple of 16 where a function begins. */
	void **stack = (void **)top - 2 - SAVED;

	memset(stack, 0, (2 + SAVED) * sizeof(*stack));
	memcpy(&stack[SAVED], &start, sizeof(start));
	return stack;
}

uintptr_t il_switch_caller(const void *stack)
{
	return ((const uintptr_t *)stack)[SAVED];
}

#elif defined(__aarch64__)

/* x19 .. x30, d8 .. d15. */
enum { SAVED = 20 };

asm(".text\n"
    ".globl il_switch_to\n"
    ".type il_switch_to, %function\n"
    "il_switch_to:\n"
    "	mov x9, x0\n"
    "	adrp x10, il_switch_engine\n"
    "	add x10, x10, :lo12:il_switch_engine\n"
    "	adrp x11, il_trapped_result\n"
    "	ldr x0, [x11, :lo12:il_trapped_result]\n"
    "	b .Lil_switch\n"
    ".globl il_switch_back\n"
    ".type il_switch_back, %function\n"
    "il_switch_back:\n"
    "	adrp x10, il_switch_engine\n"
    "	ldr x9, [x10, :lo12:il_switch_engine]\n"
    "	adrp x10, il_switched_stack\n"
    "	add x10, x10, :lo12:il_switched_stack\n"
    ".Lil_switch:\n"
    "	sub sp, sp, #160\n"
    "	stp x19, x20, [sp]\n"
    "	stp x21, x22, [sp, #16]\n"
    "	stp x23, x24, [sp, #32]\n"
    "	stp x25, x26, [sp, #48]\n"
    "	stp x27, x28, [sp, #64]\n"
    "	stp x29, x30, [sp, #80]\n"
    "	stp d8, d9, [sp, #96]\n"
    "	stp d10, d11, [sp, #112]\n"
    "	stp d12, d13, [sp, #128]\n"
    "	stp d14, d15, [sp, #144]\n"
    "	mov x11, sp\n"
    "	str x11, [x10]\n"
    "	mov sp, x9\n"
    "	ldp x19, x20, [sp]\n"
    "	ldp x21, x22, [sp, #16]\n"
    "	ldp x23, x24, [sp, #32]\n"
    "	ldp x25, x26, [sp, #48]\n"
    "	ldp x27, x28, [sp, #64]\n"
    "	ldp x29, x30, [sp, #80]\n"
    "	ldp d8, d9, [sp, #96]\n"
    "	ldp d10, d11, [sp, #112]\n"
    "	ldp d12, d13, [sp, #128]\n"
    "	ldp d14, d15, [sp, #144]\n"
    "	add sp, sp, #160\n"
    "	ret\n");

void *il_switch_new(void *top, void (*start)(void))
{
	void **stack = (void **)top - SAVED;

	memset(stack, 0, SAVED * sizeof(*stack));
	memcpy(&stack[11], &start, sizeof(start));
	return stack;
}

uintptr_t il_switch_caller(const void *stack)
{
	return ((const uintptr_t *)stack)[11];
}

#else
#error "no stack switching for this processor"
#endif
