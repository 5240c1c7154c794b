// Simulation model of the carry cell of Xilinx 7: four positions, one behind the other. S says whether the carry goes on,
// else it becomes what DI is. The carry comes from the cell before (CI) or from outside (CYINIT).
module CARRY4(
    input CI, CYINIT,
    input [3:0] DI, S,
    output [3:0] CO, O
);
    wire [3:0] carry = {CO[2:0], CI | CYINIT};
    assign CO = (S & carry) | (~S & DI);
    assign O = S ^ carry;
endmodule
