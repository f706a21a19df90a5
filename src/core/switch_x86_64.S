/* SPDX-License-Identifier: MIT */

/* The context switch for x86-64, System V ABI.
 *
 *     int kt__switch_raw(kt__context *from, const kt__context *to, int value)
 *                        rdi                rsi                    edx
 *
 * The unwind information is right at every instruction: before the stack pointer changes it
 * describes the frame that is left, after it the frame that is entered, whose saved registers it finds
 * in *to until they are loaded. So a debugger or a profiler's signal may come at any point. */

#define SP 0
#define IP 8
#define BX 16
#define BP 24
#define R12 32
#define R13 40
#define R14 48
#define R15 56

/* DW_CFA_expression: register `reg` is saved at rsi + `offset` (DW_OP_breg4). */
#define SAVED_IN_TO(reg, offset) .cfi_escape 0x10, reg, 2, 0x74, offset

    .text
    .globl kt__switch_raw
    .hidden kt__switch_raw
    .type kt__switch_raw, @function
    .p2align 4
kt__switch_raw:
    .cfi_startproc
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    movq %rsp, SP(%rdi)
    movq %rcx, IP(%rdi)
    movq %rbx, BX(%rdi)
    movq %rbp, BP(%rdi)
    movq %r12, R12(%rdi)
    movq %r13, R13(%rdi)
    movq %r14, R14(%rdi)
    movq %r15, R15(%rdi)
    movq IP(%rsi), %r8
    movl %edx, %eax
    movq SP(%rsi), %rsp
    .cfi_register rip, r8
    SAVED_IN_TO(3, BX)
    SAVED_IN_TO(6, BP)
    SAVED_IN_TO(12, R12)
    SAVED_IN_TO(13, R13)
    SAVED_IN_TO(14, R14)
    SAVED_IN_TO(15, R15)
    movq BX(%rsi), %rbx
    movq BP(%rsi), %rbp
    movq R12(%rsi), %r12
    movq R13(%rsi), %r13
    movq R14(%rsi), %r14
    movq R15(%rsi), %r15
    notrack jmpq *%r8
    .cfi_endproc
    .size kt__switch_raw, . - kt__switch_raw

    .globl kt__switch_entry
    .hidden kt__switch_entry
    .type kt__switch_entry, @function
    .p2align 4
    .cfi_startproc
    .cfi_undefined rip              /* nobody called: here the chain ends */
    nop                             /* unwinders look up the byte before a return address */
kt__switch_entry:
    xorl %ebp, %ebp
    movq %r12, %rdi
    callq *%r13
    ud2
    .cfi_endproc
    .size kt__switch_entry, . - kt__switch_entry

    .section .note.GNU-stack, "", @progbits
