// How a DP16KD of ECP5 behaves in the modes that we use: both ports in the same shape and on the same clock, output
// registers on, no reset, and a write that leaves the output alone. Written from what the open tools (yosys, nextpnr,
// Project Trellis) know of the block; what we do not use is an error, what silicon leaves undefined is garbage here.
module DP16KD #(
  parameter DATA_WIDTH_A = 18,
  parameter DATA_WIDTH_B = 18,
  parameter REGMODE_A = "NOREG",
  parameter REGMODE_B = "NOREG",
  parameter WRITEMODE_A = "NORMAL",
  parameter WRITEMODE_B = "NORMAL",
  parameter CSDECODE_A = "0b000",
  parameter CSDECODE_B = "0b000",
  parameter RESETMODE = "SYNC",
  parameter ASYNC_RESET_RELEASE = "SYNC",
  parameter GSR = "ENABLED"
) (
  input CLKA, CEA, OCEA, WEA, RSTA, CSA2, CSA1, CSA0,
  input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
  input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4,
    DIA3, DIA2, DIA1, DIA0,
  output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4,
    DOA3, DOA2, DOA1, DOA0,
  input CLKB, CEB, OCEB, WEB, RSTB, CSB2, CSB1, CSB0,
  input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
  input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4,
    DIB3, DIB2, DIB1, DIB0,
  output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4,
    DOB3, DOB2, DOB1, DOB0
);
  initial if (
    DATA_WIDTH_A != DATA_WIDTH_B || REGMODE_A != "OUTREG" || REGMODE_B != "OUTREG"
    || WRITEMODE_A != "NORMAL" || WRITEMODE_B != "NORMAL" || CSDECODE_A != "0b000" || CSDECODE_B != "0b000"
    || RESETMODE != "SYNC" || GSR != "DISABLED"
  ) begin
    $display("%%Error: DP16KD in a mode without a model");
    $finish;
  end

  // A word begins at the bit that its shape says; the address bits below are not looked at in reading.
  localparam LOW = DATA_WIDTH_A == 18 ? 4 : DATA_WIDTH_A == 9 ? 3 : DATA_WIDTH_A == 4 ? 2 : DATA_WIDTH_A == 2 ? 1 : 0;
  localparam MASK = (1 << DATA_WIDTH_A) - 1;

  wire [13:0] address_a = {
    ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0
  };
  wire [13:0] address_b = {
    ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0
  };
  wire [17:0] data_a = {
    DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4,
      DIA3, DIA2, DIA1, DIA0
  };
  wire [17:0] data_b = {
    DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4,
      DIB3, DIB2, DIB1, DIB0
  };
  wire [13:0] word_a = address_a >> LOW;
  wire [13:0] word_b = address_b >> LOW;
  wire is_on_a = CEA && {CSA2, CSA1, CSA0} == 0;
  wire is_on_b = CEB && {CSB2, CSB1, CSB0} == 0;

  // In the widest shape the two lowest address bits enable the bytes of a write. In the 9-bit shape it is not known
  // whether the lowest does the same, so nothing is written without it.
  wire [17:0] bits_a = DATA_WIDTH_A == 18 ? {{9{ADA1}}, {9{ADA0}}} : DATA_WIDTH_A == 9 && !ADA0 ? 18'd0 : MASK;
  wire [17:0] bits_b = DATA_WIDTH_B == 18 ? {{9{ADB1}}, {9{ADB0}}} : DATA_WIDTH_B == 9 && !ADB0 ? 18'd0 : MASK;
  wire do_write_a = is_on_a && WEA;
  wire do_write_b = is_on_b && WEB;
  wire is_torn = word_a == word_b;

  reg [17:0] words [0:(16384 >> LOW) - 1];
  reg [17:0] read_a, read_b, output_a, output_b;

  always @(posedge CLKA) begin
    if (do_write_a) words[word_a] <= (words[word_a] & ~bits_a) | (data_a & bits_a);
    else if (is_on_a) read_a <= do_write_b && is_torn ? ~words[word_a] : words[word_a];
    if (OCEA) output_a <= RSTA ? 18'd0 : read_a;
  end

  always @(posedge CLKB) begin
    if (do_write_b) words[word_b] <= (words[word_b] & ~bits_b) | (data_b & bits_b);
    else if (is_on_b) read_b <= do_write_a && is_torn ? ~words[word_b] : words[word_b];
    if (OCEB) output_b <= RSTB ? 18'd0 : read_b;
  end

  assign {
    DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4,
      DOA3, DOA2, DOA1, DOA0
  } = output_a & MASK;
  assign {
    DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4,
      DOB3, DOB2, DOB1, DOB0
  } = output_b & MASK;
endmodule
