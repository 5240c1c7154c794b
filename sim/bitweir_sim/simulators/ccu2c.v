// Simulation model of ECP5's carry cell: two full adder positions, one behind the other. In each, a lookup table of four
// inputs says whether the carry goes on, and the same table at its lowest four entries says what it becomes otherwise.
// Where INJECT1 is "YES", no carry comes into the sum, and none is made.
module CCU2C(
    input CIN, A0, B0, C0, D0, A1, B1, C1, D1,
    output S0, S1, COUT
);
    parameter [15:0] INIT0 = 16'h0000;
    parameter [15:0] INIT1 = 16'h0000;
    parameter [23:0] INJECT1_0 = "YES";
    parameter [23:0] INJECT1_1 = "YES";

    localparam CHAIN0 = INJECT1_0 != "YES";
    localparam CHAIN1 = INJECT1_1 != "YES";

    wire propagate0 = INIT0[{D0, C0, B0, A0}];
    wire propagate1 = INIT1[{D1, C1, B1, A1}];
    wire carry = propagate0 ? CIN : CHAIN0 & INIT0[{2'b00, B0, A0}];
    assign S0 = propagate0 ^ (CHAIN0 & CIN);
    assign S1 = propagate1 ^ (CHAIN1 & carry);
    assign COUT = propagate1 ? carry : CHAIN1 & INIT1[{2'b00, B1, A1}];
endmodule
